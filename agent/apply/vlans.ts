/** VLANs: bridges that keep them apart, ports that are in one, links of network cards for one. */
import { WarrenError } from '../../shared/errors.ts';
import type { Step } from '../plan/step.ts';
import { runBridgeBatch, showPortVlans } from '../system/bridge.ts';
import { runBatch } from '../system/ip.ts';
import type { System } from '../system/run.ts';
import { runOrThrow } from './inside.ts';

export type VlanStep = Extract<Step, { kind: 'bridge-vlans' | 'port-vlan' | 'vlan-create' }>;

const noFiltering =
  'the bridges of this kernel cannot keep VLANs apart (it is built without BRIDGE_VLAN_FILTERING); use --phys with --vlan, or another kernel';

export async function applyVlan(system: System, step: VlanStep): Promise<void> {
  switch (step.kind) {
    case 'bridge-vlans':
      return keepApart(system, step.interfaceName);
    case 'port-vlan':
      return setPortVlan(system, step.interfaceName, step.vlan);
    case 'vlan-create':
      return createLink(system, step);
  }
}

async function keepApart(system: System, name: string): Promise<void> {
  const { failures } = await runBatch(system, [`link set dev ${name} type bridge vlan_filtering 1`]);
  const [said] = failures.values();
  if (said?.includes('not supported') === true) throw new WarrenError('command-failed', noFiltering);
  if (said !== undefined) throw new WarrenError('command-failed', `${name} keeps no VLANs apart: ip said: ${said}`);
}

/** A port that was put into a bridge is in that one's own VLAN at first. */
export async function setPortVlan(system: System, name: string, vlan: number): Promise<void> {
  const had = (await showPortVlans(system)).get(name) ?? [];
  const others = had.flatMap((one) => (one.vlan === vlan ? [] : [`vlan del dev ${name} vid ${one.vlan}`]));
  const { failures } = await runBridgeBatch(system, [`vlan add dev ${name} vid ${vlan} pvid untagged`, ...others]);
  const [said] = failures.values();
  if (said?.includes('not supported') === true) throw new WarrenError('command-failed', noFiltering);
  if (said !== undefined)
    throw new WarrenError('command-failed', `${name} is not in VLAN ${vlan}: bridge said: ${said}`);
}

async function createLink(system: System, step: Extract<VlanStep, { kind: 'vlan-create' }>): Promise<void> {
  const { interfaceName: name, card, vlan, mark } = step;
  const { failures } = await runBatch(system, [`link add link ${card} name ${name} type vlan id ${vlan}`]);
  const [said] = failures.values();
  if (said?.includes('Unknown device type') === true) {
    throw new WarrenError('command-failed', `this kernel has no VLAN links; load its module 8021q`);
  }
  if (said !== undefined) throw new WarrenError('command-failed', `no VLAN ${vlan} on ${card}: ip said: ${said}`);
  try {
    await runOrThrow(system, [`link set dev ${name} alias ${mark}`, `link set dev ${name} up`]);
  } catch (error) {
    await runBatch(system, [`link del dev ${name}`]);
    throw error;
  }
}

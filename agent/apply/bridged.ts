/** Links and forwarding entries of bridged segments. */
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import type { StepFailure } from '../apply.ts';
import { vxlanPort } from '../plan/bridged.ts';
import type { Step, VxlanCreate } from '../plan/step.ts';
import { runBridgeBatch } from '../system/bridge.ts';
import type { System } from '../system/run.ts';
import { stableMac } from './stable-mac.ts';

export type EntryStep = Extract<Step, { kind: 'fdb-append' | 'fdb-remove' }>;

/**
 * No spanning tree: there is one VXLAN device per host, and it never sends back what came through it. No multicast
 * snooping: without a querier it loses groups, and neighbour discovery is multicast. The host itself is not in the
 * segment: it has no address there and answers no ARP.
 */
export function segmentBridgeLines(step: Extract<Step, { kind: 'segment-bridge-create' }>): string[] {
  const { interfaceName: name, mark, mtu } = step;
  return [
    `link add dev ${name} address ${stableMac(mark, name)} type bridge mcast_snooping 0 stp_state 0`,
    `link set dev ${name} alias ${mark}`,
    `link set dev ${name} mtu ${mtu}`,
    `link set dev ${name} addrgenmode none`,
    `link set dev ${name} arp off`,
    `link set dev ${name} up`,
  ];
}

/** It learns which host a frame's sender is behind, so that only what nobody has spoken for yet is flooded. */
export function vxlanLines({ interfaceName: name, mark, mtu, vni, local, device, bridgeName }: VxlanCreate): string[] {
  const mac = stableMac(mark, name);
  return [
    `link add dev ${name} address ${mac} mtu ${mtu} type vxlan id ${vni} local ${local} dev ${device} dstport ${vxlanPort}`,
    `link set dev ${name} alias ${mark}`,
    `link set dev ${name} addrgenmode none`,
    `link set dev ${name} master ${bridgeName}`,
    `link set dev ${name} up`,
  ];
}

export async function applyEntries(system: System, steps: readonly EntryStep[]): Promise<StepFailure[]> {
  const lines = steps.map(({ kind, mac, interfaceName, address }) => {
    const verb = kind === 'fdb-append' ? 'append' : 'del';
    return `fdb ${verb} ${mac} dev ${interfaceName} dst ${address} self`;
  });
  try {
    const { failures } = await runBridgeBatch(system, lines);
    return [...failures].flatMap(([line, said]) => {
      const step = steps[line];
      // An entry that was learned may have grown too old meanwhile.
      if (step === undefined || (step.kind === 'fdb-remove' && said.includes('No such file'))) return [];
      return [
        { step, error: new WarrenError('command-failed', `${step.kind} ${step.interfaceName}: bridge said: ${said}`) },
      ];
    });
  } catch (error) {
    return steps.map((step) => ({ step, error: asWarrenError(error) }));
  }
}

/** Attached namespaces: the host's end in the host's namespace, the container's end inside its own. */
import { setTimeout as pause } from 'node:timers/promises';
import { asWarrenError } from '../../shared/errors.ts';
import type { StepFailure } from '../apply.ts';
import { wholeInside } from '../plan/attachment-inside.ts';
import { type AttachmentSpec, vethName } from '../plan/settings.ts';
import type { AttachmentCreate, Step } from '../plan/step.ts';
import { isForwarding } from '../system/bridge.ts';
import { runBatch } from '../system/ip.ts';
import type { System } from '../system/run.ts';
import { linkLines } from './batch.ts';
import { type CardStep, applyCard } from './cards.ts';
import { runInside, runOrThrow } from './inside.ts';
import { type VlanStep, applyVlan, setPortVlan } from './vlans.ts';

export type AttachmentStep = Extract<Step, { kind: 'attachment-create' | 'attachment-set' }> | CardStep | VlanStep;

/** Namespaces are independent of each other: one that fails does not stop the next. */
export async function applyAttachments(system: System, steps: readonly AttachmentStep[]): Promise<StepFailure[]> {
  const failures: StepFailure[] = [];
  for (const step of steps) {
    try {
      if (step.kind === 'attachment-create') await createAttachment(system, step);
      else if (step.kind === 'attachment-set') await runInside(system, step);
      else if (isVlanStep(step)) await applyVlan(system, step);
      else await applyCard(system, step);
    } catch (error) {
      failures.push({ step, error: asWarrenError(error) });
    }
  }
  return failures;
}

const isVlanStep = (step: CardStep | VlanStep): step is VlanStep =>
  step.kind === 'bridge-vlans' || step.kind === 'port-vlan' || step.kind === 'vlan-create';

/** How long a port may take until it passes packets on; with a spanning tree it takes longer, and is not waited for. */
const portMs = 1_000;

/**
 * What the kernel told when the link came up was lost where the bridge did not pass packets on yet. The MAC address given
 * once more makes it tell again (NETDEV_CHANGEADDR).
 */
async function announce(system: System, { mac, interfaceName, netnsPath, addresses }: AttachmentSpec, port: string) {
  if (mac === undefined || addresses.length === 0) return;
  const end = Date.now() + portMs;
  while (!(await isForwarding(system, port)) && Date.now() < end) await pause(20);
  await runOrThrow(system, [`link set dev ${interfaceName} address ${mac}`], netnsPath);
}

/** A pair that could not be finished is taken away again, so that the next try starts from nothing. */
async function createAttachment(system: System, step: AttachmentCreate): Promise<void> {
  const { spec, mark, mtu, bridgeName, vlan } = step;
  const name = vethName(spec.id);
  const mac = spec.mac === undefined ? '' : ` address ${spec.mac}`;
  const pair = `link add dev ${name} mtu ${mtu} type veth peer name ${spec.interfaceName} mtu ${mtu}${mac} netns ${spec.netnsPath}`;
  await runOrThrow(system, [pair]);
  try {
    const outer = { kind: 'link-set', interfaceName: name, mark, master: bridgeName } as const;
    if (vlan === undefined) await runOrThrow(system, linkLines({ ...outer, isUp: true }));
    else {
      // Not a frame before it is in its VLAN.
      await runOrThrow(system, linkLines(outer));
      await setPortVlan(system, name, vlan);
      await runOrThrow(system, [`link set dev ${name} up`]);
    }
    await runInside(system, wholeInside(spec, mtu));
    await announce(system, spec, name);
  } catch (error) {
    await runBatch(system, [`link del dev ${name}`]);
    throw error;
  }
}

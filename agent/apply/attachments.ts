/** Attached namespaces: the host's end in the host's namespace, the container's end inside its own. */
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import type { StepFailure } from '../apply.ts';
import { addressInside } from '../plan/attachments.ts';
import { vethName } from '../plan/settings.ts';
import type { AttachmentCreate, AttachmentSet, Step } from '../plan/step.ts';
import { runBatch } from '../system/ip.ts';
import type { System } from '../system/run.ts';
import { linkLines, withoutDad } from './batch.ts';

export type AttachmentStep = Extract<Step, { kind: 'attachment-create' | 'attachment-set' }>;

/** Namespaces are independent of each other: one that fails does not stop the next. */
export async function applyAttachments(system: System, steps: readonly AttachmentStep[]): Promise<StepFailure[]> {
  const failures: StepFailure[] = [];
  for (const step of steps) {
    try {
      if (step.kind === 'attachment-create') await createAttachment(system, step);
      else await runOrThrow(system, insideLines(step), step.spec.netnsPath);
    } catch (error) {
      failures.push({ step, error: asWarrenError(error) });
    }
  }
  return failures;
}

/** A pair that could not be finished is taken away again, so that the next try starts from nothing. */
async function createAttachment(system: System, step: AttachmentCreate): Promise<void> {
  const { spec, mark, mtu, bridgeName } = step;
  const name = vethName(spec.id);
  const mac = spec.mac === undefined ? '' : ` address ${spec.mac}`;
  const pair = `link add dev ${name} mtu ${mtu} type veth peer name ${spec.interfaceName} mtu ${mtu}${mac} netns ${spec.netnsPath}`;
  await runOrThrow(system, [pair]);
  try {
    const outer = { kind: 'link-set', interfaceName: name, mark, master: bridgeName, isUp: true } as const;
    await runOrThrow(system, linkLines(outer));
    const inner: AttachmentSet = {
      kind: 'attachment-set',
      spec,
      mtu,
      isUp: true,
      addAddresses: spec.addresses.map(addressInside),
      removeAddresses: [],
      gateways: spec.gateways,
    };
    await runOrThrow(system, insideLines(inner), spec.netnsPath);
  } catch (error) {
    await runBatch(system, [`link del dev ${name}`]);
    throw error;
  }
}

function insideLines(step: AttachmentSet): string[] {
  const name = step.spec.interfaceName;
  return [
    ...(step.mtu === undefined ? [] : [`link set dev ${name} mtu ${step.mtu}`]),
    ...step.addAddresses.map((address) => `addr add ${address} dev ${name}${withoutDad(address)}`),
    ...(step.isUp === undefined ? [] : [`link set dev ${name} up`]),
    ...step.removeAddresses.map((address) => `addr del ${address} dev ${name}`),
    ...step.gateways.map((gateway) => `route replace default via ${gateway} dev ${name}`),
  ];
}

async function runOrThrow(system: System, lines: readonly string[], netnsPath?: string): Promise<void> {
  const { failures } = await runBatch(system, lines, netnsPath);
  const [first] = failures;
  if (first === undefined) return;
  const [line, said] = first;
  throw new WarrenError('command-failed', `'ip ${lines[line] ?? ''}' failed: ${said}`);
}

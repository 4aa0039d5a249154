/** Attached namespaces: the host's end in the host's namespace, the container's end inside its own. */
import { asWarrenError } from '../../shared/errors.ts';
import type { StepFailure } from '../apply.ts';
import { wholeInside } from '../plan/attachment-inside.ts';
import { vethName } from '../plan/settings.ts';
import type { AttachmentCreate, Step } from '../plan/step.ts';
import { runBatch } from '../system/ip.ts';
import type { System } from '../system/run.ts';
import { linkLines } from './batch.ts';
import { type CardStep, applyCard } from './cards.ts';
import { runInside, runOrThrow } from './inside.ts';

export type AttachmentStep = Extract<Step, { kind: 'attachment-create' | 'attachment-set' }> | CardStep;

/** Namespaces are independent of each other: one that fails does not stop the next. */
export async function applyAttachments(system: System, steps: readonly AttachmentStep[]): Promise<StepFailure[]> {
  const failures: StepFailure[] = [];
  for (const step of steps) {
    try {
      if (step.kind === 'attachment-create') await createAttachment(system, step);
      else if (step.kind === 'attachment-set') await runInside(system, step);
      else await applyCard(system, step);
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
    await runInside(system, wholeInside(spec, mtu));
  } catch (error) {
    await runBatch(system, [`link del dev ${name}`]);
    throw error;
  }
}

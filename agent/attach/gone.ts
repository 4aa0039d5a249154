/** Which of those that were detached have left their namespace, as the last look saw it. Pure. */
import type { Reached } from '../reconcile.ts';
import type { Attachment } from './attachments.ts';
import { attachmentId } from './spec.ts';

/**
 * A pass that planned for it and had nothing left to do for it is proof; one that does not know of it yet is none, and
 * neither is one that failed.
 */
export function goneOf(all: readonly Attachment[], { desired, failures }: Reached, seed: string): Attachment[] {
  return all.filter((one) => {
    if (!one.isLeaving) return false;
    const id = attachmentId(one, seed);
    const isPlanned = desired?.attachments.some((spec) => spec.id === id && spec.isLeaving === true) ?? false;
    return isPlanned && !failures.some(({ subject }) => subject === one.place?.netnsPath);
  });
}

/** Why something is not attached, in words that name the remedy. */
import { WarrenError } from '../../shared/errors.ts';
import type { Attachment } from './attachments.ts';
import type { NamespaceProbe, Presence, Target } from './target.ts';

/** Two names of one namespace would be two books of one thing. */
export async function refuseTaken(
  target: Target,
  namespace: string,
  all: Iterable<Attachment>,
  probe: NamespaceProbe,
): Promise<void> {
  if (namespace === (await probe.own())) {
    throw new WarrenError(
      'attachment-conflict',
      `${target.text} lives in the host's own network namespace; it needs no attachment`,
    );
  }
  for (const one of all) {
    if (one.place?.namespace !== namespace || one.target.text === target.text || one.isLeaving) continue;
    throw new WarrenError(
      'attachment-conflict',
      `${target.text} is the namespace that is attached as ${one.target.text}; name it so, or detach that first`,
    );
  }
}

/** False for a later process with the same number, and for another container of the same name. */
export const isSame = (one: Attachment, presence: Presence & { kind: 'present' }): boolean =>
  (one.target.kind !== 'pid' || one.startedAt === presence.startedAt) &&
  (one.containerId === undefined || one.containerId === presence.containerId);

export function missing(target: Target, kind: 'missing' | 'removed'): WarrenError {
  return new WarrenError('attachment-target-missing', `${target.text}: ${whyMissing(target, kind)}`, {
    field: 'target',
  });
}

function whyMissing(target: Target, kind: 'missing' | 'removed'): string {
  switch (target.kind) {
    case 'pid':
      return `process ${target.pid} is not running; start it first`;
    case 'netns':
      return `${target.netnsPath} is not a network namespace; make it first`;
    case 'docker':
      return kind === 'removed' ? 'the engine has no such container' : 'the container does not run; start it first';
  }
}

export function otherWay({ target, request }: Attachment): WarrenError {
  return new WarrenError(
    'attachment-conflict',
    `${target.text} has ${request.interface} attached in another way already; detach that first, or choose another --interface`,
    { field: 'interface' },
  );
}

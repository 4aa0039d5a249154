/**
 * Where the engine's containers are that were attached. The engine is asked beside the reconciler and never by it: what
 * it said last is what counts, so that an engine that hangs holds no attachment up.
 */
import { WarrenError } from '../../shared/errors.ts';
import type { ResolvedContainer } from '../docker/room.ts';
import type { NamespaceProbe, Presence, Target } from './target.ts';

export interface ContainerProbe extends NamespaceProbe {
  /** The engine is asked now. Throws what it throws, but for a container that is not there. */
  ask(target: Target): Promise<void>;
  /** Asks for each of these; true when one is elsewhere now. An engine that does not answer changes nothing. */
  refresh(targets: Iterable<Target>): Promise<boolean>;
}

type Answer = { readonly kind: 'container'; readonly id: string; readonly pid: number } | { readonly kind: 'removed' };

export function createContainerProbe(
  base: NamespaceProbe,
  resolve: (container: string) => Promise<ResolvedContainer>,
): ContainerProbe {
  const answers = new Map<string, Answer>();
  const ask = async (target: Target): Promise<boolean> => {
    if (target.kind !== 'docker') return false;
    const before = answers.get(target.text);
    // By its id once that is known: another container of that name is another container.
    const answer = await find(resolve, before?.kind === 'container' ? before.id : target.container);
    answers.set(target.text, answer);
    return JSON.stringify(before) !== JSON.stringify(answer);
  };
  return {
    own: () => base.own(),
    look: async (target) => {
      if (target.kind !== 'docker') return base.look(target);
      const answer = answers.get(target.text);
      if (answer === undefined) return { kind: 'missing' };
      if (answer.kind === 'removed') return answer;
      return lookAt(base, answer.id, answer.pid);
    },
    ask: async (target) => {
      answers.delete(target.text);
      await ask(target);
    },
    refresh: async (targets) => {
      let isChanged = false;
      for (const target of targets) {
        try {
          isChanged = (await ask(target)) || isChanged;
        } catch (error) {
          if (!(error instanceof WarrenError)) throw error;
        }
      }
      return isChanged;
    },
  };
}

async function find(resolve: (name: string) => Promise<ResolvedContainer>, name: string): Promise<Answer> {
  try {
    const { id, pid } = await resolve(name);
    return { kind: 'container', id, pid };
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'not-found') return { kind: 'removed' };
    throw error;
  }
}

async function lookAt(base: NamespaceProbe, containerId: string, pid: number): Promise<Presence> {
  if (pid === 0) return { kind: 'missing' };
  const presence = await base.look({ kind: 'pid', text: `pid:${pid}`, netnsPath: `/proc/${pid}/ns/net`, pid });
  return presence.kind === 'present' ? { ...presence, containerId } : presence;
}

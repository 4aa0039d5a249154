/**
 * One agent, put together: the feed brings maps, the reconciler makes them so, the reporter tells what was reached. Every
 * part that touches the world is given, so a test runs many agents in one process over fake hosts. Starting converges
 * on the saved map at once, server or no server; stopping leaves every tunnel as it is.
 */
import type { NetworkMap } from '../shared/network-map.ts';
import type { LocalHandlers } from './local/api.ts';
import type { Reached } from './reconcile.ts';
import { type AgentParts, openContext } from './run/context.ts';
import { type AgentEnd, createHandlers } from './run/handlers.ts';
import { startWorks } from './run/works.ts';

export type { AgentParts } from './run/context.ts';
export type { AgentEnd } from './run/handlers.ts';

export interface Agent {
  /** What commands on this host may ask. */
  readonly handlers: LocalHandlers;
  readonly ended: Promise<AgentEnd>;
  map(): NetworkMap | undefined;
  reached(): Reached;
  /** Resolves after a whole pass that began after the call. */
  settle(): Promise<Reached>;
  /** Leaves the kernel as it is. */
  stop(): Promise<void>;
}

/** Throws `not-enrolled` before the machine has joined. */
export async function startAgent(parts: AgentParts): Promise<Agent> {
  const context = await openContext(parts);
  const works = startWorks(context);
  let end: (how: AgentEnd) => void = () => undefined;
  const ended = new Promise<AgentEnd>((resolve) => (end = resolve));
  const stop = async (how: AgentEnd = 'stopped'): Promise<void> => {
    await works.halt();
    await context.subnetEnv.idle();
    context.link.close();
    end(how);
  };
  return {
    handlers: createHandlers(context, works, { stop, ended: end }),
    ended,
    map: () => context.membership.map(),
    reached: () => works.reconciler.reached(),
    settle: () => works.reconciler.settle(),
    stop: () => stop(),
  };
}

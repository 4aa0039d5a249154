/**
 * What time alone brings about: hosts that fell silent are found gone, ephemeral hosts that stay away are removed,
 * what hosts last said is saved now and then, and rows that are of no more use are pruned. Everything else waits for a
 * request. `runOnce` is one turn, so that tests own the clock.
 */
import type { HostId } from '../../shared/names.ts';
import type { Deps } from '../deps.ts';
import { markBack } from './gone.ts';
import { createJudge, watchedHosts } from './judge.ts';
import { isGone } from './liveness.ts';
import { removeAbandoned, prune, saveSightings } from './housekeeping.ts';
import { watchPresence } from './presence.ts';
import { createRunners } from './runners.ts';
import { type Carrier, listCarriers } from '../store/carriers.ts';

export interface Sweep {
  start(): void;
  /** Waits for a turn under way and saves what is unsaved. */
  stop(): Promise<void>;
  runOnce(): Promise<void>;
}

const turnMs = 1_000;
/** A turn this late means that the server stood still, not that everybody else did. */
const stallMs = 5_000;
const saveEveryMs = 30_000;
const pruneEveryMs = 10 * 60_000;
const abandonEveryMs = 15_000;

export function createSweep(deps: Deps): Sweep {
  const { clock, store } = deps;
  const now = (): number => clock.now();
  const watch = { since: now(), lastTurn: now() };
  const carriers = createCarriers(deps);
  const runners = createRunners(deps);
  const judge = createJudge(deps);
  const presence = watchPresence(deps.feed, now, (hostId) => void welcomeBack(deps, carriers, hostId));
  const stopListening = store.onCommit((commit) => {
    carriers.expire();
    for (const id of commit.removed) {
      runners.forget(id);
      deps.live.forget(id);
      presence.forget(id);
    }
  });
  const jobs = [
    every(saveEveryMs, now, () => saveSightings(deps)),
    every(abandonEveryMs, now, () => removeAbandoned(deps, watch.since)),
    every(pruneEveryMs, now, () => prune(deps)),
  ];
  const runOnce = async (): Promise<void> => {
    if (now() - watch.lastTurn > stallMs || now() < watch.lastTurn) watch.since = now();
    watch.lastTurn = now();
    await judge(watchedHosts(await carriers.read(), await runners.read()), presence, watch.since);
    for (const job of jobs) await job();
  };
  const loop = createLoop(runOnce, (error) => deps.log.error({ err: error }, 'sweep failed'));
  return {
    start: loop.start,
    runOnce,
    stop: async () => {
      stopListening();
      presence.stop();
      await loop.stop();
      await saveSightings(deps);
    },
  };
}

/** Starts it and answers what stops it. */
export function startSweep(deps: Deps): () => Promise<void> {
  const sweep = createSweep(deps);
  sweep.start();
  return () => sweep.stop();
}

/** A feed that comes back soon after a report is a host that is back; no need to wait for the next turn. */
async function welcomeBack(deps: Deps, carriers: Carriers, hostId: HostId): Promise<void> {
  try {
    const carrier = (await carriers.read()).find(({ id }) => id === hostId);
    const reportedAt = deps.live.host(hostId)?.seenAt;
    if (carrier?.isGone !== true || !deps.feed.isOnline(hostId)) return;
    const now = deps.clock.now();
    const signs = { now, watchingSince: now, carryingSince: now, offlineSince: undefined, reportedAt };
    if (!isGone(signs, true)) await markBack(deps, hostId);
  } catch (error) {
    deps.log.error({ err: error, host: hostId }, 'welcoming a host back failed');
  }
}

interface Carriers {
  read(): Promise<Carrier[]>;
  expire(): void;
}

/** Read again only after a commit: an idle mesh costs no queries. */
function createCarriers({ store }: Deps): Carriers {
  let known: Promise<Carrier[]> | undefined;
  return {
    read: () => {
      const reading = known ?? listCarriers(store.db);
      known = reading;
      reading.catch(() => (known = undefined));
      return reading;
    },
    expire: () => (known = undefined),
  };
}

function every(ms: number, now: () => number, job: () => Promise<void>): () => Promise<void> {
  let last = now();
  return async () => {
    if (now() - last < ms && now() >= last) return;
    last = now();
    await job();
  };
}

/** One turn at a time, a second after the other ended. */
function createLoop(turn: () => Promise<void>, onError: (error: unknown) => void) {
  let timer: NodeJS.Timeout | undefined;
  let current: Promise<void> = Promise.resolve();
  let isStopped = false;
  const again = (): void => {
    if (!isStopped) timer = setTimeout(run, turnMs);
  };
  const run = (): void => {
    current = turn().catch(onError).then(again);
  };
  return {
    start: again,
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await current;
    },
  };
}

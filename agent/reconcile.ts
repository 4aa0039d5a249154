/**
 * Makes the kernel what the newest map says, again and again: observe, plan, apply, tell what was reached. Any event only
 * wakes it; it does one pass at a time and always works on the newest input. It decides nothing that `plan` can decide.
 */
import type { Logger } from 'pino';
import type { Failure } from '../shared/api/report.ts';
import { asWarrenError } from '../shared/errors.ts';
import type { Clock } from './clock.ts';
import { trackFailures } from './failures.ts';
import type { ObservedWireguard } from './plan/observed.ts';
import { type KernelView, createKernelView } from './reconcile/kernel-view.ts';
import { type PassTools, type Reached, onePass } from './reconcile/pass.ts';
import { type Rounds, createRounds } from './reconcile/rounds.ts';
import { type Timers, createTimers } from './reconcile/timers.ts';

export type { Inputs, Reached } from './reconcile/pass.ts';

export interface ReconcilerOptions extends PassTools {
  readonly clock: Clock;
  /** Looks at inputs that nothing announces; asked every few seconds. */
  readonly isInputChanged: () => Promise<boolean>;
  readonly onReached: (reached: Reached) => void;
}

export interface Reconciler {
  /** The inputs changed: do a pass now, planned on what is known of the kernel. */
  wake(): void;
  /** The kernel may have changed: look again, then do a pass. */
  look(): void;
  /** Resolves after a pass that began after the call. */
  settle(): Promise<Reached>;
  reached(): Reached;
  /** Counters and handshakes as of the last look, at most seconds old. */
  wireguard(): ObservedWireguard | undefined;
  /** After the running pass nothing is touched any more. */
  stop(): Promise<void>;
}

/** Nothing tells of a changed peer, so peers are looked at; the law says 5 s. */
const peersMs = 4_000;
const fullMs = 30_000;
/** Kernel events come in crowds, our own among them. */
const gatherMs = 250;
const longestRetryMs = 30_000;

export function startReconciler(options: ReconcilerOptions): Reconciler {
  const { system, clock, log, beside } = options;
  const view = createKernelView(system, clock, beside);
  const timers = createTimers(clock);
  let reached: Reached = { applied: undefined, observed: undefined, desired: undefined, failures: [] };

  const lookNow = (): void => {
    view.distrust();
    rounds.ask();
  };
  const look = (): void => timers.later('look', gatherMs, lookNow);
  const retry = retryLater(timers, lookNow);
  const pass = async (): Promise<void> => {
    const outcome = await onePass(options, view, reached);
    if (outcome === undefined) return;
    const { faults, applied, desired, isChanged } = outcome;
    if (isChanged) look();
    const failures = trackFailures(reached.failures, faults, clock.now());
    tellFailures(log, reached.failures, failures);
    reached = { applied, observed: view.last(), desired, failures };
    retry(failures.length > 0);
    options.onReached(reached);
  };
  const rounds = createRounds(pass, (error) => log.error({ err: error }, 'the reconciler broke'));
  timers.every('peers', peersMs, () => checkPeers(options, { view, rounds, reached, lookNow }));
  timers.every('full', fullMs, look);

  return {
    wake: () => rounds.ask(),
    look,
    settle: async () => {
      view.distrust();
      await rounds.settle();
      return reached;
    },
    reached: () => reached,
    wireguard: () => view.wireguard(),
    stop: async () => {
      timers.stop();
      await rounds.stop();
    },
  };
}

interface Watched {
  readonly view: KernelView;
  readonly rounds: Rounds;
  readonly reached: Reached;
  readonly lookNow: () => void;
}

/** A pass only where somebody else has changed the peers, another endpoint is to be tried, or an input changed. */
async function checkPeers(
  { log, isInputChanged }: ReconcilerOptions,
  { view, rounds, reached: { desired }, lookNow }: Watched,
): Promise<void> {
  const isBusy = (): boolean => rounds.isRunning() || rounds.isStopped();
  if (desired === undefined || isBusy()) return;
  try {
    const isDue = await view.checkPeers(desired, isBusy);
    if (isDue || (!isBusy() && (await isInputChanged()))) lookNow();
  } catch (error) {
    log.debug({ why: asWarrenError(error).message }, 'peers not seen');
  }
}

/** Tries again after a pass that failed, ever later while passes fail. */
function retryLater(timers: Timers, lookNow: () => void): (isFailed: boolean) => void {
  let failedPasses = 0;
  return (isFailed) => {
    failedPasses = isFailed ? failedPasses + 1 : 0;
    timers.cancel('retry');
    if (!isFailed) return;
    timers.later('retry', Math.min(longestRetryMs, 1000 * 2 ** Math.min(failedPasses - 1, 5)), lookNow);
  };
}

/** Each failure is told once when it begins and once when it ends. */
function tellFailures(log: Logger, before: readonly Failure[], after: readonly Failure[]): void {
  const keyOf = ({ kind, subject, since }: Failure): string => `${kind} ${subject} ${since}`;
  const had = new Set(before.map(keyOf));
  const has = new Set(after.map(keyOf));
  for (const one of after) {
    const { kind, subject, why } = one;
    if (!had.has(keyOf(one))) log.warn({ kind, subject, why }, 'not applied');
  }
  for (const one of before) {
    if (!has.has(keyOf(one))) log.info({ kind: one.kind, subject: one.subject }, 'no longer failing');
  }
}

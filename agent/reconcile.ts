/**
 * Makes the kernel what the newest map says, again and again: observe, plan, apply, tell what was reached. Any event only
 * wakes it; it does one pass at a time and always works on the newest input. It decides nothing that `plan` can decide.
 */
import type { Logger } from 'pino';
import type { Failure } from '../shared/api/report.ts';
import { asWarrenError } from '../shared/errors.ts';
import type { NetworkMap } from '../shared/network-map.ts';
import type { Cursor } from '../shared/protocol.ts';
import { apply } from './apply.ts';
import type { Clock, Timer } from './clock.ts';
import { type Fault, trackFailures } from './failures.ts';
import { observe } from './observe.ts';
import { desire } from './plan/desire.ts';
import { chooseEndpoint, noEndpointMemory, trackEndpoints } from './plan/endpoints.ts';
import type { Desired } from './plan/desired.ts';
import type { Observed, ObservedWireguard } from './plan/observed.ts';
import { plan } from './plan/plan.ts';
import type { AttachmentSpec, HostSettings } from './plan/settings.ts';
import { type Step, stepSubject } from './plan/step.ts';
import type { System } from './system/run.ts';
import { showInterface } from './system/wg.ts';

/** What a pass works on; asked for anew by each. */
export interface Inputs {
  readonly map: NetworkMap;
  /** What is reached when the map is in the kernel; undefined where no map came from the server. */
  readonly cursor: Cursor | undefined;
  readonly settings: HostSettings;
  readonly attachments: readonly AttachmentSpec[];
}

/** What a pass ended with. */
export interface Reached {
  /** The newest map that is in the kernel but for `failures`. */
  readonly applied: Cursor | undefined;
  /** Undefined where not even looking worked. */
  readonly observed: Observed | undefined;
  readonly desired: Desired | undefined;
  readonly failures: readonly Failure[];
}

export interface ReconcilerOptions {
  readonly system: System;
  readonly clock: Clock;
  readonly log: Logger;
  /** Undefined while there is no map. */
  readonly inputs: () => Promise<Inputs | undefined>;
  /** Looks at inputs that nothing announces; asked every few seconds. */
  readonly isInputChanged: () => Promise<boolean>;
  /** Called before steps are applied, for what must be known to undo them. */
  readonly onSteps: (steps: readonly Step[]) => Promise<void>;
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

/** Failures that leave the map out of the kernel altogether. */
const basicKinds: ReadonlySet<string> = new Set(['observe', 'wireguard-create', 'wireguard-set', 'interface-refused']);

export function startReconciler(options: ReconcilerOptions): Reconciler {
  const { system, clock, log } = options;
  let reached: Reached = { applied: undefined, observed: undefined, desired: undefined, failures: [] };
  /** What the kernel was when last looked at. */
  let known: Observed | undefined;
  /** True when something may have changed since. */
  let isStale = true;
  let wireguard: ObservedWireguard | undefined;
  let memory = noEndpointMemory;
  let failedPasses = 0;
  let wanted = 0;
  let done = 0;
  let running: Promise<void> | undefined;
  let isStopped = false;
  let waiters: { pass: number; resolve: (reached: Reached) => void }[] = [];
  const timers = new Map<string, Timer>();

  /** One timer per name; an earlier one stands. */
  const later = (name: string, ms: number, fn: () => void): void => {
    if (isStopped || timers.has(name)) return;
    const fire = (): void => {
      timers.delete(name);
      fn();
    };
    timers.set(name, clock.after(ms, fire));
  };
  const start = (): void => {
    if (isStopped) return;
    wanted += 1;
    running ??= run();
  };
  const look = (): void => later('look', gatherMs, lookNow);
  const lookNow = (): void => {
    isStale = true;
    start();
  };
  const isDue = (): boolean => done < wanted && !isStopped;
  /** Ends in the same turn in which it finds nothing to do, so no wake falls between. */
  const run = async (): Promise<void> => {
    try {
      while (isDue()) {
        const pass = wanted;
        await onePass();
        done = pass;
        const ready = waiters.filter((waiter) => waiter.pass <= done);
        waiters = waiters.filter((waiter) => waiter.pass > done);
        for (const { resolve } of ready) resolve(reached);
      }
    } catch (error) {
      log.error({ err: error }, 'the reconciler broke');
    } finally {
      running = undefined;
    }
  };

  const onePass = async (): Promise<void> => {
    let faults: readonly Fault[];
    let applied = reached.applied;
    let desired = reached.desired;
    try {
      const inputs = await options.inputs();
      if (inputs === undefined) return;
      const outcome = await converge(inputs);
      ({ faults, desired } = outcome);
      if (!faults.some((fault) => basicKinds.has(fault.kind))) applied = inputs.cursor;
    } catch (error) {
      isStale = true;
      faults = [{ kind: 'observe', subject: 'host', why: asWarrenError(error).message }];
      log.error({ err: error }, 'pass failed');
    }
    const failures = trackFailures(reached.failures, faults, clock.now());
    tellFailures(log, reached.failures, failures);
    reached = { applied, observed: known, desired, failures };
    retryLater(failures.length > 0);
    options.onReached(reached);
  };

  const converge = async ({ map, settings, attachments }: Inputs): Promise<{ faults: Fault[]; desired: Desired }> => {
    const observed = await lookIfStale(settings, attachments);
    const { desired, refusals } = desire(map, settings, attachments, observed);
    const { steps, refusals: leftAlone } = plan(desired, observed, memory);
    const refused: Fault[] = [...refusals, ...leftAlone];
    if (steps.length === 0) return { faults: refused, desired };
    isStale = true;
    await options.onSteps(steps);
    const { applied, failures } = await apply(system, settings, steps);
    log.info({ revision: map.revision, steps: applied.length, failed: failures.length }, 'applied');
    for (const step of applied.slice(0, 50))
      log.debug({ kind: step.kind, subject: stepSubject(step), why: step.why }, 'step');
    look();
    return { faults: [...refused, ...failures.map(faultOf)], desired };
  };

  /** A change of the map is planned on the last look, when nothing has happened since: looking costs more than applying. */
  const lookIfStale = async (settings: HostSettings, attachments: readonly AttachmentSpec[]): Promise<Observed> => {
    if (known !== undefined && !isStale) return known;
    isStale = false;
    known = undefined;
    const observed = await observe(system, settings, attachments, clock.now());
    wireguard = observed.wireguard;
    memory = trackEndpoints(memory, wireguard?.peers ?? new Map(), observed.observedAt);
    known = observed;
    return observed;
  };

  const retryLater = (isFailed: boolean): void => {
    failedPasses = isFailed ? failedPasses + 1 : 0;
    timers.get('retry')?.cancel();
    timers.delete('retry');
    if (!isFailed) return;
    later('retry', Math.min(longestRetryMs, 1000 * 2 ** Math.min(failedPasses - 1, 5)), lookNow);
  };

  /** A look at the peers alone: one command, and a pass only where somebody else has changed them or a try is due. */
  const checkPeers = async (): Promise<void> => {
    const { desired } = reached;
    if (desired === undefined || running !== undefined) return;
    const before = wireguard;
    const now = before === undefined ? undefined : await showInterface(system, desired.interfaceName);
    if (running !== undefined || isStopped) return;
    wireguard = now;
    memory = trackEndpoints(memory, now?.peers ?? new Map(), clock.now());
    if (!hasSamePeers(before, now) || isTryDue(desired) || (await options.isInputChanged())) {
      lookNow();
    } else if (known !== undefined) {
      known = { ...known, wireguard: now, observedAt: clock.now() };
    }
  };
  const isTryDue = (desired: Desired): boolean => {
    for (const [key, peer] of desired.peers) {
      if (chooseEndpoint(peer, wireguard?.peers.get(key), memory.get(key), clock.now()) !== undefined) return true;
    }
    return false;
  };
  const keepChecking = (): void =>
    later('peers', peersMs, () => {
      void checkPeers()
        .catch((error: unknown) => log.debug({ why: asWarrenError(error).message }, 'peers not seen'))
        .finally(keepChecking);
    });
  const keepLooking = (): void =>
    later('full', fullMs, () => {
      look();
      keepLooking();
    });
  keepChecking();
  keepLooking();

  return {
    wake: start,
    look,
    settle: () =>
      new Promise((resolve) => {
        if (isStopped) return resolve(reached);
        lookNow();
        waiters.push({ pass: wanted, resolve });
      }),
    reached: () => reached,
    wireguard: () => wireguard,
    stop: async () => {
      isStopped = true;
      for (const timer of timers.values()) timer.cancel();
      timers.clear();
      await running;
      for (const { resolve } of waiters) resolve(reached);
    },
  };
}

function faultOf({ step, error }: { step: Step; error: unknown }): Fault {
  return { kind: step.kind, subject: stepSubject(step), why: asWarrenError(error).message };
}

/** Each failure is told once when it begins and once when it ends. */
function tellFailures(log: Logger, before: readonly Failure[], after: readonly Failure[]): void {
  const keys = (all: readonly Failure[]): Set<string> =>
    new Set(all.map((one) => `${one.kind} ${one.subject} ${one.since}`));
  const had = keys(before);
  const has = keys(after);
  for (const one of after) {
    if (!had.has(`${one.kind} ${one.subject} ${one.since}`))
      log.warn({ kind: one.kind, subject: one.subject, why: one.why }, 'not applied');
  }
  for (const one of before) {
    if (!has.has(`${one.kind} ${one.subject} ${one.since}`))
      log.info({ kind: one.kind, subject: one.subject }, 'no longer failing');
  }
}

/** The same keys with the same allowed IPs; endpoints and counters change by themselves. */
function hasSamePeers(before: ObservedWireguard | undefined, now: ObservedWireguard | undefined): boolean {
  if (before === undefined || now === undefined) return before === now;
  if (
    before.peers.size !== now.peers.size ||
    before.publicKey !== now.publicKey ||
    before.listenPort !== now.listenPort
  ) {
    return false;
  }
  for (const [key, peer] of now.peers) {
    const had = before.peers.get(key);
    if (had === undefined || had.keepaliveSeconds !== peer.keepaliveSeconds) return false;
    if (had.hasPresharedKey !== peer.hasPresharedKey || had.allowedIps.join() !== peer.allowedIps.join()) return false;
  }
  return true;
}

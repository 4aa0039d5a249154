/**
 * Calls the operator's executables when the mesh, a host or a subnet comes or goes: one at a time, in order, in bounded
 * time, beside everything else. What was told is kept until the machine reboots, so an agent that restarts tells only
 * what changed meanwhile; one that dies while a hook runs calls it again. Nothing waits for a hook but the next one.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { asWarrenError } from '../../shared/errors.ts';
import type { Clock } from '../clock.ts';
import { readIfThere } from '../durable.ts';
import type { Fault } from '../failures.ts';
import { createTimers } from '../reconcile/timers.ts';
import type { System } from '../system/run.ts';
import { type HookEvent, type HookPlace, describeEvent, diffReach, environmentOf, withEvent } from './events.ts';
import { type HookFile, findHook, listHooks } from './file.ts';
import { type Reach, nothingReached, reachSchema } from './reach.ts';

export interface HooksOptions {
  /** The folder of the executables; it need not exist. */
  readonly dir: string;
  /** Where what was told is kept, and what the last hook printed: gone after a reboot, as the tunnels are. */
  readonly runDir: string;
  readonly system: Pick<System, 'run'>;
  readonly clock: Clock;
  readonly log?: Logger;
  readonly place: () => HookPlace;
  /** What is reached now; undefined while that is not known. */
  readonly reach: (before: Reach) => Reach | undefined;
  readonly onChange: () => void;
}

export interface Hooks {
  /** Something may be reached that was not, or the other way round. */
  look(): void;
  faults(): readonly Fault[];
  /** No hook is begun any more. */
  stop(): void;
  /** Tells of the end of everything, and forgets what was told. */
  end(): Promise<void>;
}

/** Handshakes come and go without a word. */
const lookMs = 2_000;
const timeoutSeconds = 10;
const killAfterSeconds = 2;
/** How long the end of the mesh waits for hooks. */
const endMs = 20_000;

export function startHooks(options: HooksOptions): Hooks {
  const { clock, log, runDir, onChange } = options;
  const savedFile = `${runDir}/hooks.json`;
  const timers = createTimers(clock);
  const faults = new Map<string, Fault & { readonly stamp: string }>();
  let told: Promise<Reach> | undefined;
  /** Why no hook can be called at all. */
  let broken: string | undefined;
  let isEnding = false;
  let isStopped = false;
  let running: Promise<void> | undefined;
  let isAskedAgain = false;

  /** Takes one step, and answers true while there may be more. */
  const step = async (): Promise<boolean> => {
    const before = await (told ??= readTold(savedFile));
    const now = isEnding ? nothingReached : options.reach(before);
    if (now === undefined || isStopped) return false;
    const events = diffReach(before, now);
    if (events.length === 0) {
      told = Promise.resolve(now);
      return false;
    }
    const present = await listHooks(options.dir);
    const next = events.findIndex((event) => present.has(event.hook));
    const silent = next === -1 ? events : events.slice(0, next);
    const event = next === -1 ? undefined : events[next];
    if (event !== undefined) await call(event);
    const after = [...silent, ...(event === undefined ? [] : [event])].reduce(withEvent, before);
    told = Promise.resolve(after);
    await keep(savedFile, after);
    return event !== undefined;
  };
  const call = async (event: HookEvent): Promise<void> => {
    const file = await findHook(options.dir, event.hook);
    const why = file.kind === 'runnable' ? await runHook(options, file.path, event) : whyNot(file);
    if (why === undefined) {
      if (faults.delete(event.hook)) onChange();
      log?.debug({ hook: event.hook, of: describeEvent(event) }, 'hook called');
      return;
    }
    faults.set(event.hook, { kind: 'hook', subject: event.hook, why, stamp: stampOf(file) });
    onChange();
  };
  /** A hook that somebody mended, or took away, fails no more. */
  const recheck = async (): Promise<void> => {
    for (const [hook, { stamp }] of faults) {
      const name = hook as HookEvent['hook'];
      if (stampOf(await findHook(options.dir, name)) !== stamp && faults.delete(hook)) onChange();
    }
  };
  const setBroken = (why: string | undefined): void => {
    if (why === broken) return;
    broken = why;
    onChange();
  };
  const work = async (): Promise<void> => {
    try {
      do {
        isAskedAgain = false;
        await recheck();
        while (await step());
      } while (isAskedAgain);
      setBroken(undefined);
    } catch (error) {
      setBroken(asWarrenError(error).message);
    } finally {
      running = undefined;
    }
  };
  const look = (): void => {
    if (isStopped) return;
    isAskedAgain = true;
    running ??= work();
  };
  timers.every('look', lookMs, look);
  return {
    look,
    faults: () => [
      ...[...faults.values()].map(({ kind, subject, why }) => ({ kind, subject, why })),
      ...(broken === undefined ? [] : [{ kind: 'hook', subject: options.dir, why: broken }]),
    ],
    stop: () => {
      isStopped = true;
      timers.stop();
    },
    end: async () => {
      isEnding = true;
      timers.stop();
      look();
      let late: (() => void) | undefined;
      const timer = clock.after(endMs, () => late?.());
      await Promise.race([running, new Promise<void>((resolve) => (late = resolve))]);
      timer.cancel();
      isStopped = true;
      await rm(savedFile, { force: true });
    },
  };
}

/** Undefined where it went well. `timeout` ends whatever the hook started as well, even when the agent dies. */
async function runHook(
  { system, runDir, place }: HooksOptions,
  path: string,
  event: HookEvent,
): Promise<string | undefined> {
  const outputFile = `${runDir}/hook.out`;
  try {
    const { exitCode } = await system.run({
      argv: ['timeout', `--kill-after=${killAfterSeconds}`, String(timeoutSeconds), path],
      environment: environmentOf(event, place()),
      outputFile,
      timeoutMs: (timeoutSeconds + killAfterSeconds + 5) * 1000,
      okCodes: Array.from({ length: 256 }, (_, code) => code),
    });
    if (exitCode === 0) return undefined;
    const said = (await readFile(outputFile, 'utf8').catch(() => '')).trim().slice(-300);
    return `${describeEvent(event)} ${ending(exitCode, path)}${said === '' ? '' : `: ${said}`}`;
  } catch (error) {
    return `${describeEvent(event)}: ${asWarrenError(error).message}`;
  }
}

function ending(exitCode: number, path: string): string {
  if (exitCode === 124 || exitCode === 137) return `took longer than ${timeoutSeconds} s and was ended`;
  if (exitCode === 126 || exitCode === 127) return `cannot be executed; look at the first line of ${path}`;
  return `failed with exit code ${exitCode}`;
}

const whyNot = (file: HookFile): string | undefined => (file.kind === 'refused' ? file.why : undefined);

const stampOf = (file: HookFile): string => (file.kind === 'runnable' ? file.stamp : `${file.kind} ${whyNot(file)}`);

async function keep(file: string, told: Reach): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(told), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** What cannot be read was never told. */
async function readTold(file: string): Promise<Reach> {
  try {
    const text = await readIfThere(file);
    return text === undefined ? nothingReached : reachSchema.parse(JSON.parse(text));
  } catch {
    return nothingReached;
  }
}

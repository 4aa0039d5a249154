/**
 * The stand-in as a process. While the agent runs it is a process that only waits for the agent's end, whatever brings
 * that about, and costs next to nothing; then it becomes `warren agent --drivers-only`, until the next agent asks for the
 * engine's socket or the host leaves the mesh.
 */
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { type Logger, destination, pino } from 'pino';
import { asWarrenError } from '../../shared/errors.ts';
import { systemClock } from '../clock.ts';
import { type AgentSettings, seedOf } from '../config.ts';
import { socketPath } from '../local/server.ts';
import { openState } from '../state.ts';
import { type System, createSystem } from '../system/run.ts';
import { type AwayState, standIn } from './away.ts';
import { openPluginBook } from './book.ts';
import { logFileOf, pidFileOf, standInFlag } from './end-stand-in.ts';
import { driverName, pluginPlace } from './settings.ts';

export interface StandBy {
  /** There is nothing to stand in for any more. */
  dismiss(): Promise<void>;
}

/** `argv`: this program, as it was called. */
export function keepStandBy(settings: AgentSettings, argv: readonly string[], system: System, log: Logger): StandBy {
  const [file, ...args] = argv;
  if (settings.pluginSocket === undefined || file === undefined) return { dismiss: () => Promise.resolve() };
  const pidFile = pidFileOf(settings.runDir);
  const waiting = system.whenEnded([file, ...args, standInFlag], (pid) => {
    writeFile(pidFile, `${pid}\n`, { mode: 0o600 }).catch((error: unknown) => {
      log.warn({ why: asWarrenError(error).message }, 'the stand-in for the engine is not written down');
    });
  });
  return {
    dismiss: async () => {
      waiting.stop();
      for (const path of [pidFile, logFileOf(settings.runDir)]) await rm(path, { force: true });
    },
  };
}

/** The whole life of a stand-in. */
export async function runStandIn(settings: AgentSettings): Promise<void> {
  const place = pluginPlace(settings);
  if (place === undefined || !existsSync(settings.stateDir)) return;
  process.chdir('/');
  const file = destination({ dest: logFileOf(settings.runDir), append: false, sync: true });
  const log = pino({ level: settings.logLevel, base: { instance: settings.instance } }, file);
  const away = standIn({
    place,
    name: driverName(place.path),
    seed: seedOf(settings),
    agentSocket: socketPath(settings.runDir),
    open: () => openAwayState(settings.stateDir),
    system: createSystem(),
    clock: systemClock,
    log,
  });
  const stop = (): void => void away.stop();
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  await away.ended;
}

async function openAwayState(stateDir: string): Promise<AwayState | undefined> {
  const state = await openState(stateDir);
  const hostId = (await state.readHost())?.hostId ?? null;
  if (hostId === null) return undefined;
  const map = await state.readMap();
  return {
    book: openPluginBook(await state.readPlugin(), (json) => state.writePlugin(json)),
    leases: map?.hosts.find(({ id }) => id === hostId)?.leases ?? [],
  };
}

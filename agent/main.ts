/**
 * The agent as a process: checks the machine, takes the instance's socket, runs one agent, ends on a signal. It leaves
 * tunnels, routes and bridges as they are; only `warren leave` takes them away.
 */
import { type Logger, destination, pino } from 'pino';
import { WarrenError } from '../shared/errors.ts';
import { watchForBugs } from './bugs.ts';
import type { AgentSettings } from './config.ts';
import { listenLocally } from './local/server.ts';
import { askToYield } from './plugin/place.ts';
import { pluginPlace } from './plugin/settings.ts';
import { type StandBy, keepStandBy } from './plugin/stand-by.ts';
import { type Agent, startAgent } from './run.ts';
import { notEnrolled, openState } from './state.ts';
import { checkHost } from './system/check.ts';
import { openProbeSocket } from './probe/socket.ts';
import { type System, createSystem } from './system/run.ts';
import { keepCa } from './server-ca.ts';
import { createLink } from './transport.ts';

/**
 * Resolves when the agent has ended in order. Throws `agent-running`, `not-enrolled`, `program-missing`, … `argv`: this
 * program as it was called, to be started again as its own stand-in; empty: there is none.
 */
export async function runAgent(settings: AgentSettings, argv: readonly string[]): Promise<void> {
  const log = createLog(settings);
  const system = createSystem();
  await checkHost(system);
  const local = await listenLocally(settings.runDir, log);
  try {
    // Only now: whoever stands in for an agent looks at the agents' socket, and an agent at theirs.
    const standBy = await takeOver(settings, argv, system, log);
    let how = await runOnce(settings, system, log, local);
    for (; how === 'reload'; how = await runOnce(settings, system, log, local)) log.info('starting again');
    if (how === 'left') await standBy.dismiss();
  } finally {
    await local.close();
  }
}

async function runOnce(
  settings: AgentSettings,
  system: System,
  log: Logger,
  local: Awaited<ReturnType<typeof listenLocally>>,
): Promise<'stopped' | 'left' | 'reload'> {
  const state = await openState(settings.stateDir);
  const host = await state.readHost();
  if (host === undefined) throw notEnrolled(settings.stateDir);
  const link = createLink(
    host.serverUrl,
    () => state.readCredentials(),
    (pem) => keepCa(state, pem),
  );
  const agent = await startAgent({ settings, system, link, state, log, openSocket: openProbeSocket });
  local.serve(agent.handlers);
  const bugs = watchForBugs({ process, log, end: () => endSoon(agent, log) });
  const stop = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'stopping, tunnels stay');
    void agent.stop().catch((error: unknown) => log.error({ err: error }, 'stopping failed'));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  log.info({ hostId: host.hostId, server: host.serverUrl }, 'agent started');
  if (settings.isNotifyWanted) await notifySystemd(system, log);
  const how = await agent.ended;
  process.off('SIGTERM', stop);
  process.off('SIGINT', stop);
  bugs.stop();
  log.info({ how }, 'agent ended');
  const cause = bugs.found();
  if (cause !== undefined)
    throw new WarrenError('internal', 'a mistake in warren ended the agent; see its log', { cause });
  return how;
}

/** The last agent's stand-in touches the books no more, and this one has its own. */
async function takeOver(
  settings: AgentSettings,
  argv: readonly string[],
  system: System,
  log: Logger,
): Promise<StandBy> {
  const place = pluginPlace(settings);
  if (place !== undefined && (await askToYield(place))) log.info('the stand-in for the engine yields');
  return keepStandBy(settings, argv, system, log);
}

const longestEndMs = 8_000;

/** In order if that is still possible. */
function endSoon(agent: Agent, log: Logger): void {
  setTimeout(() => process.exit(1), longestEndMs).unref();
  void agent.stop().catch((error: unknown) => log.error({ err: error }, 'stopping failed'));
}

function createLog({ logLevel, instance }: AgentSettings): Logger {
  return pino(
    { level: logLevel, base: { instance }, timestamp: pino.stdTimeFunctions.isoTime },
    destination({ fd: 1, sync: true }),
  );
}

/** For units with Type=notify; node has no datagram unix sockets, so systemd's own tool speaks. */
async function notifySystemd(system: System, log: Logger): Promise<void> {
  try {
    await system.run({ argv: ['systemd-notify', '--ready', `--pid=${process.pid}`] });
  } catch (error) {
    log.warn({ err: error }, 'systemd was not told');
  }
}

/**
 * The agent as a process: checks the machine, takes the instance's socket, runs one agent, ends on a signal. It leaves
 * tunnels, routes and bridges as they are; only `warren leave` takes them away.
 */
import { type Logger, destination, pino } from 'pino';
import type { AgentSettings } from './config.ts';
import { listenLocally } from './local/server.ts';
import { startAgent } from './run.ts';
import { notEnrolled, openState } from './state.ts';
import { checkHost } from './system/check.ts';
import { openProbeSocket } from './probe/socket.ts';
import { type System, createSystem } from './system/run.ts';
import { createLink } from './transport.ts';

/** Resolves when the agent has ended in order. Throws `agent-running`, `not-enrolled`, `program-missing`, … */
export async function runAgent(settings: AgentSettings): Promise<void> {
  const log = createLog(settings);
  const system = createSystem();
  await checkHost(system);
  const local = await listenLocally(settings.runDir, log);
  try {
    while ((await runOnce(settings, system, log, local)) === 'reload') log.info('starting again');
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
  const link = createLink(host.serverUrl, () => state.readCredentials());
  const agent = await startAgent({ settings, system, link, state, log, openSocket: openProbeSocket });
  local.serve(agent.handlers);
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
  log.info({ how }, 'agent ended');
  return how;
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

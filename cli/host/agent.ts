/** `warren agent` */
import { loadSettings } from '../../agent/config.ts';
import type { Register } from '../command.ts';
import { type InstanceOptions, withInstance } from './instance.ts';

interface AgentOptions extends InstanceOptions {
  readonly logLevel?: string;
  readonly listenPort?: string;
  readonly interface?: string;
  readonly bridge?: string;
  readonly stateDir?: string;
  readonly runDir?: string;
  readonly driversOnly?: boolean;
}

export const register: Register = (program, io) => {
  withInstance(program.command('agent'))
    .description('run the agent in the foreground')
    .option('--log-level <level>', 'trace, debug, info, warn or error')
    .option('--listen-port <port>', 'UDP port of WireGuard')
    .option('--interface <name>', 'name of the WireGuard interface')
    .option('--bridge <name>', 'name of the container bridge')
    .option('--state-dir <dir>', 'keys, certificate and saved map')
    .option('--run-dir <dir>', 'socket and subnet.env')
    .option('--drivers-only', 'answer the container engine until an agent runs; agents start this when they end')
    .action(async (options: AgentOptions) => {
      const { instance, config, logLevel, listenPort, interface: name, bridge, stateDir, runDir } = options;
      const flags = { instance, config, logLevel, listenPort, interface: name, bridge, stateDir, runDir };
      const settings = loadSettings({ flags, env: io.env });
      if (options.driversOnly === true) {
        const { runStandIn } = await import('../../agent/plugin/stand-by.ts');
        return runStandIn(settings);
      }
      const { runAgent } = await import('../../agent/main.ts');
      return runAgent(settings, [...io.program, 'agent', ...optionsOf(flags)]);
    });
};

/** The same options again, for another process. */
function optionsOf(flags: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(flags).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, value],
  );
}

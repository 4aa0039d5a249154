/** `warren agent` */
import { loadSettings } from '../../agent/config.ts';
import { runAgent } from '../../agent/main.ts';
import type { Register } from '../command.ts';
import { type InstanceOptions, withInstance } from './instance.ts';

interface AgentOptions extends InstanceOptions {
  readonly logLevel?: string;
  readonly listenPort?: string;
  readonly interface?: string;
  readonly bridge?: string;
  readonly stateDir?: string;
  readonly runDir?: string;
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
    .action(async (options: AgentOptions) => {
      const { instance, config, logLevel, listenPort, interface: name, bridge, stateDir, runDir } = options;
      const flags = { instance, config, logLevel, listenPort, interface: name, bridge, stateDir, runDir };
      await runAgent(loadSettings({ flags, env: io.env }));
    });
};

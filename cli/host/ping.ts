/** `warren ping` */
import type { Pong } from '../../agent/local/api.ts';
import { WarrenError } from '../../shared/errors.ts';
import { type Register, wholeNumber } from '../command.ts';
import { type InstanceOptions, agentOf, withInstance } from './instance.ts';

interface PingOptions extends InstanceOptions {
  readonly count: number;
}

export const register: Register = (program, io) => {
  withInstance(program.command('ping'))
    .description('ping a host over the mesh; says direct or relayed, and the latency')
    .argument('<host>', 'name, id or overlay address')
    .option('-c, --count <number>', 'how many packets', wholeNumber('--count', 1, 100), 3)
    .action(async (host: string, options: PingOptions) => {
      const pong = await agentOf(options, io)('ping', { host, count: options.count });
      io.output.data(pong, () => describe(pong));
      if (pong.received === 0) {
        throw new WarrenError(
          'unreachable',
          `${pong.host} (${pong.address}) does not answer over the mesh; see 'warren status'`,
        );
      }
    });
};

function describe({ host, address, path, via, endpoint, sent, received, latencyMs }: Pong): string {
  const by = via === null ? path : `${path} by ${via}`;
  const way = endpoint === null ? by : `${by} at ${endpoint}`;
  const times = latencyMs === null ? '' : `, latency ${latencyMs.average} ms (${latencyMs.min} to ${latencyMs.max})`;
  return `${host} (${address}) ${way}: ${received} of ${sent} answered${times}`;
}

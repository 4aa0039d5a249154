/** `warren netcheck` */
import type { Netcheck } from '../../agent/netcheck/check.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Register } from '../command.ts';
import { formatTable } from '../table.ts';
import { type InstanceOptions, agentOf, withInstance } from './instance.ts';

export const register: Register = (program, io) => {
  withInstance(program.command('netcheck'))
    .description('what the network lets this host do: server, UDP, NAT, IPv4 and IPv6, MTU, clock, relays')
    .action(async (options: InstanceOptions) => {
      const result = await agentOf(options, io)('netcheck', {});
      io.output.data(result, () => describe(result));
      if (result.isOk) return;
      const failed = result.checks.filter(({ status }) => status === 'fail').map(nameOf);
      throw new WarrenError('conflict', `failed: ${failed.join(', ')}`);
    });
};

const nameOf = ({ check, subject }: Netcheck['checks'][number]): string =>
  subject === null ? check : `${check} ${subject}`;

function describe({ checks }: Netcheck): string {
  const plain = { isColored: false, width: undefined };
  const found = checks.map((one) => [nameOf(one), one.status, one.says]);
  const parts = [formatTable({ columns: ['check', 'result', 'what'], rows: found }, plain)];
  const todo = checks.flatMap((one) => (one.todo === null ? [] : [[nameOf(one), one.todo]]));
  if (todo.length > 0) parts.push(formatTable({ columns: ['check', 'what to do'], rows: todo }, plain));
  return parts.join('\n').trimEnd();
}

/** `warren pool ...` */
import { type Pool, createPool, listPools, poolKindSchema } from '../../shared/api/pools.ts';
import { parseCidr } from '../../shared/net/cidr.ts';
import { type Register, wholeNumber } from '../command.ts';
import type { Table } from '../output.ts';
import { chosen } from './choice.ts';
import { type ServerOptions, connect, withServerOptions } from './connect.ts';
import { wholeList } from './list.ts';

export const register: Register = (program, io) => {
  const pool = program.command('pool').description('address pools');
  withServerOptions(pool.command('ls').description('list address pools')).action(async (options: ServerOptions) => {
    const call = await connect(options, io);
    const pools = await wholeList((query) => call(listPools, { query }));
    io.output.data(pools, () => poolTable(pools.items));
  });
  withServerOptions(pool.command('add').description('add an address pool').argument('<prefix>'))
    .option('--kind <kind>', 'container or overlay', 'container')
    .option('--lease-length <bits>', 'what one host gets', wholeNumber('--lease-length', 8, 128))
    .action(async (prefix: string, options: ServerOptions & { kind: string; leaseLength?: number }) => {
      const body = {
        prefix: parseCidr(prefix),
        kind: chosen('--kind', poolKindSchema, options.kind) ?? 'container',
        ...(options.leaseLength !== undefined && { leaseLength: options.leaseLength }),
      };
      const call = await connect(options, io);
      const made = await call(createPool, { body });
      io.output.data(made, () => poolTable([made]));
    });
};

function poolTable(pools: readonly Pool[]): Table {
  return {
    columns: ['prefix', 'kind', 'lease', 'leased', 'capacity', 'id'],
    rows: pools.map((one) => [one.prefix, one.kind, `/${one.leaseLength}`, one.leased, one.capacity, one.id]),
  };
}

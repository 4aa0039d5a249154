/** `warren segment ...` */
import type { Call } from '../../shared/api/client.ts';
import { type ShownSegment, createSegment, listSegments, removeSegment } from '../../shared/api/segments.ts';
import { WarrenError } from '../../shared/errors.ts';
import { parseSegmentName } from '../../shared/workload.ts';
import type { Register } from '../command.ts';
import { type Table, fieldTable } from '../output.ts';
import { confirm } from './confirm.ts';
import { type ServerOptions, connect, withServerOptions } from './connect.ts';
import { wholeList } from './list.ts';

export const register: Register = (program, io) => {
  const segment = program.command('segment').description('groups of containers that reach only each other');
  withServerOptions(
    segment.command('ls').description('list segments, those that only containers name among them'),
  ).action(async (options: ServerOptions) => {
    const list = await allSegments(await connect(options, io));
    io.output.data(list, () => segmentTable(list.items));
  });
  withServerOptions(segment.command('add').description('declare a segment').argument('<name>'))
    .option('--bridged', 'one Ethernet over all its hosts, broadcast and multicast included')
    .action(async (name: string, options: ServerOptions & { bridged?: boolean }) => {
      const body = { name: parseSegmentName(name), kind: options.bridged === true ? 'bridged' : 'routed' } as const;
      const call = await connect(options, io);
      const made = await call(createSegment, { body });
      io.output.data(made, () => fieldTable({ name: made.name, kind: made.kind, vni: made.vni }));
    });
  withServerOptions(segment.command('rm').description('remove what was declared of a segment').argument('<name>'))
    .option('-y, --yes', 'do not ask')
    .action(async (text: string, options: ServerOptions & { yes?: boolean }) => {
      const name = parseSegmentName(text);
      const call = await connect(options, io);
      const found = (await allSegments(call)).items.find((one) => one.name === name);
      if (found?.isDeclared !== true) {
        throw new WarrenError('not-found', `no segment '${name}' is declared; see 'warren segment ls'`);
      }
      const { kind, workloads, hosts } = found;
      const who = `${workloads} workload${workloads === 1 ? '' : 's'} on ${hosts} host${hosts === 1 ? '' : 's'}`;
      if (workloads > 0) await confirm(`${who} are in the ${kind} segment ${name}. Remove it?`, options.yes, io);
      await call(removeSegment, { params: { name } });
      io.output.data(found, () => `removed the ${kind} segment ${name}`);
    });
};

const allSegments = (call: Call) => wholeList((query) => call(listSegments, { query }));

function segmentTable(segments: readonly ShownSegment[]): Table {
  return {
    columns: ['name', 'kind', 'vni', 'declared', 'workloads', 'hosts'],
    rows: segments.map((one) => [one.name, one.kind, one.vni, one.isDeclared ? 'yes' : 'no', one.workloads, one.hosts]),
  };
}

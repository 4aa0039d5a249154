/** `warren workload ...` */
import { type ShownWorkload, listWorkloads } from '../../shared/api/workloads.ts';
import { parseLabel, parseSegmentName } from '../../shared/workload.ts';
import type { Register } from '../command.ts';
import type { Table } from '../output.ts';
import { type ServerOptions, connect, withServerOptions } from './connect.ts';
import { findHost, wholeList } from './list.ts';

interface WorkloadOptions extends ServerOptions {
  readonly service?: string;
  readonly host?: string;
  readonly segment?: string;
}

export const register: Register = (program, io) => {
  const workload = program.command('workload').description('what runs on the hosts of the mesh, containers mostly');
  withServerOptions(workload.command('ls').description('list workloads'))
    .option('--service <name>', 'only instances of this service')
    .option('--host <host>', 'only those on this host')
    .option('--segment <name>', 'only those in this segment')
    .action(async (options: WorkloadOptions) => {
      const { service, host, segment } = options;
      const wanted = {
        ...(service !== undefined && { service: parseLabel(service) }),
        ...(segment !== undefined && { segment: parseSegmentName(segment) }),
      };
      const call = await connect(options, io);
      const on = host === undefined ? {} : { host: (await findHost(call, host)).id };
      const list = await wholeList((query) => call(listWorkloads, { query: { ...query, ...wanted, ...on } }));
      io.output.data(list, () => workloadTable(list.items));
    });
};

function workloadTable(workloads: readonly ShownWorkload[]): Table {
  return {
    columns: ['name', 'host', 'services', 'addresses', 'ports', 'segment', 'healthy'],
    rows: workloads.map((one) => [
      one.name,
      one.hostName,
      one.services.join(' '),
      one.addresses.join(' '),
      one.ports.map(({ port, protocol }) => `${port}/${protocol}`).join(' '),
      one.segment,
      one.isHealthy ? 'yes' : 'no',
    ]),
  };
}

/** `warren publish ...` */
import type { Command } from 'commander';
import type { Call } from '../../shared/api/client.ts';
import { type ShownPublication, createPublication, listPublications } from '../../shared/api/publications.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { HostId } from '../../shared/names.ts';
import { type Transport, parseLabel } from '../../shared/workload.ts';
import { type Io, type Register, wholeNumber } from '../command.ts';
import type { Table } from '../output.ts';
import { type ServerOptions, connect, withServerOptions } from './connect.ts';
import { findHost, wholeList } from './list.ts';

interface PublishOptions extends ServerOptions {
  readonly on: string;
  readonly port?: number;
  readonly tcp?: boolean;
  readonly udp?: boolean;
}

export const register: Register = (program, io) => {
  const publish = withServerOptions(
    program
      .command('publish')
      .description('let a port of hosts lead to the healthy instances of a service, wherever they run')
      .argument('<service:port>', 'the service and what its instances listen on, like web:80'),
  )
    .option('--on <host>', "a host by name or id, or 'all'", 'all')
    .option('--port <number>', 'port of the hosts; the same as of the service by default', parsePortOption)
    .option('--tcp', 'the default')
    .option('--udp', 'UDP in place of TCP')
    .action(async (target: string, options: PublishOptions) => publishService(target, options, io));
  registerList(publish, io);
};

function registerList(publish: Command, io: Io): void {
  withServerOptions(publish.command('ls').description('list published ports')).action(
    async (_options: unknown, command: Command) => {
      const call = await connect(command.optsWithGlobals<ServerOptions>(), io);
      const list = await allPublications(call);
      io.output.data(list, () => publicationTable(list.items));
    },
  );
}

async function publishService(target: string, options: PublishOptions, io: Io): Promise<void> {
  const { service, targetPort } = parseTarget(target);
  const protocol = protocolOf(options);
  const call = await connect(options, io);
  const host = await hostOn(call, options.on);
  const body = { service, targetPort, port: options.port ?? targetPort, protocol, host };
  const made = await call(createPublication, { body });
  io.output.data(made, () => publicationTable([made]));
}

export const allPublications = (call: Call) => wholeList((query) => call(listPublications, { query }));

/** Null for `all`. */
export async function hostOn(call: Call, text: string): Promise<HostId | null> {
  return text === 'all' ? null : (await findHost(call, text)).id;
}

const parsePortOption = wholeNumber('--port', 1, 65535);

function parseTarget(text: string) {
  const [, service, port] = /^([^:]+):([1-9]\d{0,4})$/.exec(text) ?? [];
  if (service === undefined || port === undefined || Number(port) > 65535) {
    throw new WarrenError('usage-invalid', 'write what is published like web:80, a service and a port');
  }
  return { service: parseLabel(service), targetPort: Number(port) };
}

function protocolOf({ tcp = false, udp = false }: PublishOptions): Transport {
  if (tcp && udp) {
    throw new WarrenError('usage-invalid', '--tcp and --udp exclude each other; publish twice for both');
  }
  return udp ? 'udp' : 'tcp';
}

function publicationTable(publications: readonly ShownPublication[]): Table {
  return {
    columns: ['port', 'on', 'leads to', 'id'],
    rows: publications.map((one) => [
      `${one.port}/${one.protocol}`,
      one.hostName ?? 'all',
      `${one.service}:${one.targetPort}`,
      one.id,
    ]),
  };
}

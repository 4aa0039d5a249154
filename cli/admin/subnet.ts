/** `warren subnet ...` */
import type { Command } from 'commander';
import type { Call } from '../../shared/api/client.ts';
import {
  type Subnet,
  createHostSubnet,
  listHostSubnets,
  listSubnets,
  removeHostSubnet,
  showSubnet,
  subnetIdSchema,
  subnetSchema,
  updateSubnet,
} from '../../shared/api/subnets.ts';
import { WarrenError } from '../../shared/errors.ts';
import { parseCidr } from '../../shared/net/cidr.ts';
import { type Io, type Register, wholeNumber } from '../command.ts';
import type { Table } from '../output.ts';
import { chosen } from './choice.ts';
import { confirm } from './confirm.ts';
import { type ServerOptions, connect, withServerOptions } from './connect.ts';
import { findHost, wholeList } from './list.ts';

interface SubnetOptions extends ServerOptions {
  readonly host?: string;
  readonly weight?: number;
  readonly state?: string;
  readonly yes?: boolean;
}

const parseWeight = wholeNumber('--weight', 0, 65535);

export const register: Register = (program, io) => {
  const subnet = program
    .command('subnet')
    .description('advertised subnets; SUBNET is an id, or a prefix (with --host where several hosts advertise it)');
  registerList(subnet, io);
  registerAdd(subnet, io);
  registerVerdict(subnet, io, 'approve', 'use an advertised subnet in the mesh', { state: 'approved' });
  registerVerdict(subnet, io, 'reject', 'keep an advertised subnet out of the mesh', { state: 'rejected' });
  registerVerdict(subnet, io, 'set', 'change the weight of an advertised subnet', {});
  registerRemove(subnet, io);
};

function registerList(subnet: Command, io: Io): void {
  withServerOptions(subnet.command('ls').description('list advertised subnets'))
    .option('--state <state>', 'only those pending, approved or rejected')
    .option('--host <host>', 'only those of this host')
    .action(async (options: SubnetOptions) => {
      const state = chosen('--state', subnetSchema.shape.state, options.state);
      const call = await connect(options, io);
      const found = await subnetsOf(call, options.host);
      const items = found.filter((one) => state === undefined || one.state === state);
      io.output.data({ items, nextCursor: null }, () => subnetTable(items));
    });
}

function registerAdd(subnet: Command, io: Io): void {
  withServerOptions(
    subnet
      .command('add')
      .description('advertise a prefix for a host, approved at once')
      .argument('<host>')
      .argument('<prefix>'),
  )
    .option('--weight <number>', 'lower is preferred; 10 by default', parseWeight)
    .action(async (name: string, prefix: string, options: SubnetOptions) => {
      const body = { prefix: parseCidr(prefix), ...(options.weight !== undefined && { weight: options.weight }) };
      const call = await connect(options, io);
      const { id } = await findHost(call, name);
      const made = await call(createHostSubnet, { params: { id }, body });
      io.output.data(made, () => subnetTable([made]));
    });
}

function registerVerdict(
  subnet: Command,
  io: Io,
  verb: string,
  summary: string,
  verdict: { state?: 'approved' | 'rejected' },
): void {
  const command = withServerOptions(subnet.command(verb).description(summary).argument('<subnet>'))
    .option('--host <host>', 'the host that advertises it')
    .action(async (text: string, options: SubnetOptions) => {
      const call = await connect(options, io);
      const { id, version } = await findSubnet(call, text, options.host);
      const body = { ...verdict, ...(options.weight !== undefined && { weight: options.weight }) };
      const changed = await call(updateSubnet, { params: { id }, body, ifMatch: version });
      io.output.data(changed, () => subnetTable([changed]));
    });
  if (verb === 'set') command.requiredOption('--weight <number>', 'lower is preferred', parseWeight);
  else command.option('--weight <number>', 'lower is preferred', parseWeight);
}

function registerRemove(subnet: Command, io: Io): void {
  withServerOptions(subnet.command('rm').description('remove an advertised subnet').argument('<subnet>'))
    .option('--host <host>', 'the host that advertises it')
    .option('-y, --yes', 'do not ask')
    .action(async (text: string, options: SubnetOptions) => {
      const call = await connect(options, io);
      const found = await findSubnet(call, text, options.host);
      await confirm(`Remove ${found.prefix} of ${found.hostName}?`, options.yes, io);
      await call(removeHostSubnet, { params: { id: found.hostId, subnetId: found.id } });
      const { id, prefix, hostName } = found;
      io.output.data({ id, prefix, hostName }, () => `removed ${prefix} of ${hostName} (${id})`);
    });
}

async function findSubnet(call: Call, text: string, host: string | undefined): Promise<Subnet> {
  if (subnetIdSchema.safeParse(text).success) return call(showSubnet, { params: { id: text } });
  const prefix = parseCidr(text);
  const found = (await subnetsOf(call, host)).filter((one) => one.prefix === prefix);
  const [first, ...others] = found;
  if (first === undefined) throw new WarrenError('not-found', `no host advertises ${prefix}; see 'warren subnet ls'`);
  if (others.length === 0) return first;
  const hosts = found.map((one) => one.hostName).join(', ');
  throw new WarrenError('usage-invalid', `${prefix} is advertised by ${hosts}; say which with --host`);
}

async function subnetsOf(call: Call, host: string | undefined): Promise<Subnet[]> {
  if (host === undefined) return (await wholeList((query) => call(listSubnets, { query }))).items;
  const { id } = await findHost(call, host);
  return (await wholeList((query) => call(listHostSubnets, { params: { id }, query }))).items;
}

function subnetTable(subnets: readonly Subnet[]): Table {
  return {
    columns: ['prefix', 'host', 'weight', 'state', 'carries it', 'id'],
    rows: subnets.map((one) => [one.prefix, one.hostName, one.weight, one.state, one.isActive ? 'yes' : 'no', one.id]),
  };
}

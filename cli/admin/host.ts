/** `warren host ...` */
import { type Command, Option } from 'commander';
import type { Call } from '../../shared/api/client.ts';
import {
  type Host,
  approveHost,
  createHost,
  disableHost,
  enableHost,
  listHosts,
  removeHost,
  rotateHost,
  updateHost,
} from '../../shared/api/hosts.ts';
import { listHostSubnets } from '../../shared/api/subnets.ts';
import { WarrenError } from '../../shared/errors.ts';
import { parseHostName } from '../../shared/names.ts';
import { hostStateSchema } from '../../shared/protocol.ts';
import { type Io, type Register, collect } from '../command.ts';
import { type Table, fieldTable } from '../output.ts';
import { chosen } from './choice.ts';
import { confirm } from './confirm.ts';
import { type ServerOptions, connect, withServerOptions } from './connect.ts';
import { findHost, wholeList } from './list.ts';
import { shortTime } from './time.ts';

export const register: Register = (program, io) => {
  const host = program.command('host').description('the hosts of the mesh; HOST is a name or an id');
  registerReads(host, io);
  registerAdd(host, io);
  registerSet(host, io);
  registerRemove(host, io);
  registerTurn(host, io, 'approve', 'let a pending host into the mesh', approveHost);
  registerTurn(host, io, 'disable', 'cut a host off; it keeps its addresses', disableHost);
  registerTurn(host, io, 'enable', 'let a disabled host back in', enableHost);
  registerTurn(host, io, 'rotate', 'ask a host to replace its WireGuard key', rotateHost);
};

function registerReads(host: Command, io: Io): void {
  withServerOptions(host.command('ls').description('list hosts'))
    .option('--state <state>', 'only those registered, pending, active or disabled')
    .option('--pending', 'only those that wait for approval or, in a locked mesh, for a signature')
    .action(async (options: ServerOptions & { state?: string; pending?: boolean }) => {
      const state = chosen('--state', hostStateSchema, options.pending === true ? 'pending' : options.state);
      const call = await connect(options, io);
      const hosts = await wholeList((query) => call(listHosts, { query: { ...query, ...(state && { state }) } }));
      io.output.data(hosts, () => hostTable(hosts.items));
    });
  withServerOptions(host.command('show').description('show one host').argument('<host>')).action(
    async (name: string, options: ServerOptions) => {
      const call = await connect(options, io);
      const found = await findHost(call, name);
      const subnets = io.output.isJson ? '' : await subnetLines(call, found);
      io.output.data(found, () => hostFields(found, subnets));
    },
  );
}

function registerAdd(host: Command, io: Io): void {
  withServerOptions(
    host.command('add').description('keep a name, addresses and a lease for a machine').argument('<name>'),
  )
    .option('--tag <tag>', 'a tag; may be given several times', collect, [])
    .action(async (name: string, options: ServerOptions & { tag: string[] }) => {
      const call = await connect(options, io);
      const made = await call(createHost, { body: { name: parseHostName(name), tags: options.tag } });
      io.output.data(made, () => hostFields(made, ''));
    });
}

function registerSet(host: Command, io: Io): void {
  withServerOptions(
    host.command('set').description('rename a host, change its tags, make it a relay').argument('<host>'),
  )
    .option('--name <name>', 'its new name')
    .option('--tag <tag>', 'its tags, in place of those it has; may be given several times', collect, [])
    .option('--no-tags', 'take all its tags away')
    .addOption(
      new Option('--relay <on|off>', 'whether it forwards ciphertext for pairs that cannot meet').choices([
        'on',
        'off',
      ]),
    )
    .action(async (name: string, options: ServerOptions & SetOptions) => {
      const body = changeOf(options);
      const call = await connect(options, io);
      const { id, version } = await findHost(call, name);
      const changed = await call(updateHost, { params: { id }, body, ifMatch: version });
      io.output.data(changed, () => hostFields(changed, ''));
    });
}

interface SetOptions {
  readonly name?: string;
  readonly tag: string[];
  /** False for `--no-tags`. */
  readonly tags: boolean;
  readonly relay?: 'on' | 'off';
}

/** Throws `usage-invalid` when nothing or opposite things are asked for. */
function changeOf({ name, tag, tags, relay }: SetOptions) {
  const isTagged = tag.length > 0;
  if (name === undefined && !isTagged && tags && relay === undefined) {
    throw new WarrenError('usage-invalid', 'what shall change? give --name, --tag, --no-tags or --relay');
  }
  if (isTagged && !tags) throw new WarrenError('usage-invalid', '--tag and --no-tags exclude each other');
  return {
    ...(name !== undefined && { name: parseHostName(name) }),
    ...((isTagged || !tags) && { tags: tag }),
    ...(relay !== undefined && { isRelay: relay === 'on' }),
  };
}

function registerRemove(host: Command, io: Io): void {
  withServerOptions(host.command('rm').description('remove a host from the mesh').argument('<host>'))
    .option('-y, --yes', 'do not ask')
    .action(async (name: string, options: ServerOptions & { yes?: boolean }) => {
      const call = await connect(options, io);
      const found = await findHost(call, name);
      await confirm(`Remove ${found.name} with its addresses, lease and subnets?`, options.yes, io);
      await call(removeHost, { params: { id: found.id } });
      io.output.data({ id: found.id, name: found.name }, () => `removed ${found.name} (${found.id})`);
    });
}

type Turn = typeof approveHost;

function registerTurn(host: Command, io: Io, verb: string, summary: string, op: Turn): void {
  withServerOptions(host.command(verb).description(summary).argument('<host>')).action(
    async (name: string, options: ServerOptions) => {
      const call = await connect(options, io);
      const { id } = await findHost(call, name);
      const changed = await call(op, { params: { id } });
      io.output.data(changed, () => hostTable([changed]));
    },
  );
}

async function subnetLines(call: Call, { id }: Host): Promise<string> {
  const { items } = await wholeList((query) => call(listHostSubnets, { params: { id }, query }));
  return items.map(({ prefix, weight, state }) => `${prefix}#${weight} ${state}`).join(', ');
}

function hostTable(hosts: readonly Host[]): Table {
  return {
    columns: [
      'name',
      'id',
      'state',
      'online',
      'addresses',
      'container subnets',
      'containers',
      'nat',
      'relay',
      'tags',
      'last seen',
    ],
    rows: hosts.map((host) => [
      host.name,
      host.id,
      host.state,
      host.isOnline ? 'yes' : host.isGone ? 'gone' : 'no',
      host.addresses.join(' '),
      host.leases.join(' '),
      host.containers,
      host.nat,
      host.isRelay ? 'yes' : 'no',
      host.tags.join(' '),
      shortTime(host.lastSeenAt),
    ]),
  };
}

function hostFields(host: Host, subnets: string): Table {
  return fieldTable({
    name: host.name,
    id: host.id,
    state: host.state,
    online: host.isOnline ? 'yes' : host.isGone ? 'gone' : 'no',
    tags: host.tags.join(' '),
    addresses: host.addresses.join(' '),
    'container subnets': host.leases.join(' '),
    ...(subnets !== '' && { 'advertised subnets': subnets }),
    endpoints: host.endpoints.join(' '),
    nat: host.nat,
    relay: host.isRelay ? 'yes' : 'no',
    'public key': host.publicKey,
    'key rotation': host.isRotationDue ? 'due' : 'not due',
    ephemeral: host.isEphemeral ? 'yes' : 'no',
    'last seen': shortTime(host.lastSeenAt),
    'applied revision': host.appliedRevision,
    containers: host.containers,
    'agent version': host.agentVersion,
    'certificate until': shortTime(host.certificateExpiresAt),
    created: shortTime(host.createdAt),
    enrolled: shortTime(host.enrolledAt),
  });
}

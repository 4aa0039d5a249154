/** `warren dns`: the names of the mesh, as this host knows them. */
import type { NamesReply } from '../../agent/local/container-api.ts';
import { WarrenError } from '../../shared/errors.ts';
import { type Address, parseAddress } from '../../shared/net/address.ts';
import type { Register } from '../command.ts';
import type { Table } from '../output.ts';
import { type InstanceOptions, agentOf, withInstance } from './instance.ts';

const types = ['A', 'AAAA', 'PTR', 'SRV', 'SOA', 'TXT', 'MX', 'NS', 'CNAME', 'ANY'];

export const register: Register = (program, io) => {
  const dns = program.command('dns').description('names of hosts, containers and services');
  const show = (reply: NamesReply): void => io.output.data({ ...reply, nextCursor: null }, () => tableOf(reply));
  withInstance(dns.command('ls'))
    .description('list every name this host knows')
    .action(async (options: InstanceOptions) => show(await agentOf(options, io)('names', {})));
  withInstance(dns.command('add'))
    .description('give a name to addresses of this host; the whole mesh knows it then')
    .argument('<name>', 'one label, or with the domain')
    .argument('<address...>', "of this host's lease, its overlay addresses, or a subnet it advertises")
    .action(async (name: string, addresses: string[], options: InstanceOptions) =>
      show(await agentOf(options, io)('nameadd', { name, addresses: addresses.map(readAddress) })),
    );
  withInstance(dns.command('rm'))
    .description('take a name that was added on this host away')
    .argument('<name>', 'as it was added')
    .action(async (name: string, options: InstanceOptions) => show(await agentOf(options, io)('nameremove', { name })));
  withInstance(dns.command('query'))
    .description('ask as a container of this host would')
    .argument('<name>', 'a name, or an address with PTR spelled in-addr.arpa')
    .addArgument(program.createArgument('[type]', 'record type').choices(types).default('A'))
    .action(async (name: string, type: string, options: InstanceOptions) => {
      const reply = await agentOf(options, io)('query', { name, type });
      io.output.data(reply, () => (reply.answers.length === 0 ? reply.rcode : reply.answers.join('\n')));
      if (reply.rcode === 'NXDOMAIN') throw new WarrenError('not-found', `there is no name '${name}'`);
      if (reply.rcode !== 'NOERROR') throw new WarrenError('unreachable', `the answer is ${reply.rcode}`);
    });
};

const readAddress = (text: string): Address => parseAddress(text);

function tableOf({ items }: NamesReply): Table {
  return {
    columns: ['name', 'kind', 'addresses'],
    rows: items.map((one) => [one.name, one.kind, one.addresses.join(' ')]),
  };
}

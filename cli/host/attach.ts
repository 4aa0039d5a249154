/** `warren attach` and `warren attach ls` */
import type { AttachmentStatus } from '../../agent/local/api.ts';
import { parseTarget } from '../../agent/attach/target.ts';
import { type InterfaceName, parseInterfaceName } from '../../shared/names.ts';
import type { Register } from '../command.ts';
import { type Table, fieldTable } from '../output.ts';
import { type InstanceOptions, agentOf, withInstance } from './instance.ts';

interface AttachOptions extends InstanceOptions {
  readonly interface: InterfaceName;
}

export const register: Register = (program, io) => {
  const attach = withInstance(program.command('attach'))
    .description('give a container, process or namespace an address on this host’s container subnet')
    .argument('<target>', 'netns:NAME, netns:/PATH or pid:N')
    .option('--interface <name>', 'name of the interface inside', parseInterfaceName, parseInterfaceName('eth0'))
    .action(async (target: string, options: AttachOptions) => {
      const { text } = parseTarget(target);
      const attached = await agentOf(options, io)('attach', { target: text, interface: options.interface });
      io.output.data(attached, () =>
        fieldTable({
          address: attached.addresses.join(' '),
          gateway: attached.gateways.join(' '),
          interface: attached.interface,
          mtu: attached.mtu,
        }),
      );
    });
  withInstance(attach.command('ls'))
    .description('list what is attached')
    .action(async (_: unknown, command: { optsWithGlobals(): InstanceOptions }) => {
      const list = await agentOf(command.optsWithGlobals(), io)('attachments', {});
      io.output.data({ items: list.items, nextCursor: null }, () => tableOf(list.items));
    });
};

function tableOf(items: readonly AttachmentStatus[]): Table {
  return {
    columns: ['target', 'addresses', 'interface', 'state', 'attached'],
    rows: items.map((one) => [one.target, one.addresses.join(' '), one.interface, one.state, one.attachedAt]),
  };
}

/** `warren attach` and `warren attach ls` */
import type { AttachmentStatus } from '../../agent/local/api.ts';
import { parseTarget } from '../../agent/attach/target.ts';
import { type InterfaceName, parseInterfaceName } from '../../shared/names.ts';
import { type InterfaceAddress, parseInterfaceAddress } from '../../shared/net/interface-address.ts';
import { type SegmentName, parseSegmentName } from '../../shared/workload.ts';
import { type Register, collectParsed } from '../command.ts';
import { type Table, fieldTable } from '../output.ts';
import { type InstanceOptions, agentOf, withInstance } from './instance.ts';

interface AttachOptions extends InstanceOptions {
  readonly interface?: InterfaceName;
  readonly segment?: SegmentName;
  readonly ip: readonly InterfaceAddress[];
}

export const register: Register = (program, io) => {
  const attach = withInstance(program.command('attach'))
    .description('give a container, process or namespace an address on this host’s container subnet')
    .argument('<target>', 'netns:NAME, netns:/PATH or pid:N')
    .option(
      '--interface <name>',
      'name of the interface inside; eth0, or eth1 in a bridged segment',
      parseInterfaceName,
    )
    .option('--segment <name>', 'join this bridged segment instead of the container subnet', parseSegmentName)
    .option(
      '--ip <address/length>',
      'an address in the bridged segment, may be repeated',
      collectParsed(parseInterfaceAddress),
      [],
    )
    .action(async (target: string, options: AttachOptions) => {
      const { text } = parseTarget(target);
      const attached = await agentOf(options, io)('attach', {
        target: text,
        ip: [...options.ip],
        ...(options.interface === undefined ? {} : { interface: options.interface }),
        ...(options.segment === undefined ? {} : { segment: options.segment }),
      });
      io.output.data(attached, () =>
        fieldTable({
          address: attached.addresses.join(' '),
          gateway: attached.gateways.join(' '),
          ...(attached.segment === null ? {} : { segment: attached.segment, bridge: attached.bridge }),
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
    columns: ['target', 'addresses', 'segment', 'interface', 'state', 'attached'],
    rows: items.map((one) => [
      one.target,
      one.addresses.join(' '),
      one.segment,
      one.interface,
      one.state,
      one.attachedAt,
    ]),
  };
}

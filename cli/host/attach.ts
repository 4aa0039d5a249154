/** `warren attach` and `warren attach ls` */
import type { AttachmentStatus } from '../../agent/local/api.ts';
import { parseTarget } from '../../agent/attach/target.ts';
import { WarrenError } from '../../shared/errors.ts';
import { parseAddressWish, parseCardWish, parseLinkName, parseRouteWish, parseVlan } from '../../shared/attachment.ts';
import { parseInterfaceName } from '../../shared/names.ts';
import { parseLabel, parseSegmentName } from '../../shared/workload.ts';
import { type Register, collectParsed, wholeNumber } from '../command.ts';
import { type Table, fieldTable } from '../output.ts';
import { waitForCarrier, waitForTarget } from './attach-wait.ts';
import { type AttachOptions, parseDhcp, parseExposed, parseMac, readRequest } from './attach-options.ts';
import { type InstanceOptions, agentOf, withInstance } from './instance.ts';

export const register: Register = (program, io) => {
  const attach = withInstance(program.command('attach'))
    .description('give a container, process or namespace an interface: on the mesh, on a bridge, or on a network card')
    .argument('[target]', 'netns:NAME, netns:/PATH, pid:N, or docker:NAME')
    .option(
      '--interface <name>',
      'name of the interface inside; eth0, or eth1 in a bridged segment',
      parseInterfaceName,
    )
    .option('--ifname <name>', 'the same', parseInterfaceName)
    .option('--name <name>', 'its name on the mesh, instead of the target’s', parseLabel)
    .option('--segment <name>', 'reaches, and is reached by, this segment only', parseSegmentName)
    .option('--service <name>', 'is an instance of this service (repeatable)', collectParsed(parseLabel), [])
    .option('--expose <port>', 'listens on PORT or PORT/udp (repeatable)', collectParsed(parseExposed), [])
    .option(
      '--ip <cidr[@gw]>',
      'address, maybe with its gateway; 0/0: none (repeatable)',
      collectParsed(parseAddressWish),
      [],
    )
    .option('--route <cidr[@gw]>', 'route inside (repeatable)', collectParsed(parseRouteWish), [])
    .option('--mac <mac>', 'MAC address, or U:TEXT for one that is made of the text', parseMac)
    .option('--bridge <bridge>', 'on this Linux bridge; made when it is called br…', parseLinkName)
    .option('--phys <card>', 'on this network card, or mac:ADDRESS', parseCardWish)
    .option('--mode <mode>', 'with --phys: macvlan or ipvlan (macvlan)', parseMode)
    .option('--direct-phys <card>', 'the network card itself, until it is detached', parseCardWish)
    .option('--vlan <number>', 'with --bridge or --phys: in this VLAN', parseVlan)
    .option('--dhcp [client]', 'address from a DHCP server; client: udhcpc', parseDhcp)
    .option('--dummy', 'on no wire at all')
    .option('--wait [seconds]', 'wait for the target; without one, inside a container: for its interface', parseWait)
    .action(async (target: string | undefined, options: AttachOptions) => {
      if (target === undefined) {
        const found = await waitForCarrier(options);
        io.output.data(found, () => `${found.interface} is there`);
        return;
      }
      const request = readRequest(parseTarget(target).text, options);
      const attached = await waitForTarget(options.wait, () => agentOf(options, io)('attach', request));
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

function parseMode(text: string): 'macvlan' | 'ipvlan' {
  if (text === 'macvlan' || text === 'ipvlan') return text;
  throw new WarrenError('usage-invalid', `--mode is macvlan or ipvlan, not '${text.slice(0, 32)}'`, { field: 'mode' });
}

const parseWait = wholeNumber('--wait', 1, 86_400);

function tableOf(items: readonly AttachmentStatus[]): Table {
  return {
    columns: ['target', 'interface', 'on', 'addresses', 'name', 'segment', 'state', 'attached'],
    rows: items.map((one) => [
      one.target,
      one.interface,
      placeOf(one),
      one.addresses.join(' '),
      one.name ?? '',
      one.segment ?? '',
      one.state,
      one.attachedAt,
    ]),
  };
}

const inVlan = (text: string, vlan: number | null): string => (vlan === null ? text : `${text} VLAN ${vlan}`);

function placeOf({ place }: AttachmentStatus): string {
  switch (place.kind) {
    case 'mesh':
      return 'mesh';
    case 'bridge':
      return inVlan(place.bridge, place.vlan);
    case 'card':
      return inVlan(`${place.mode} ${place.card}`, place.vlan);
    case 'direct':
      return place.card;
    case 'dummy':
      return 'dummy';
  }
}

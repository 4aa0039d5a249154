/** The options of `warren attach`, read into what the agent is asked. */
import type { z } from 'zod';
import type { attachBodySchema } from '../../agent/local/api.ts';
import { macOfText } from '../../agent/attach/mac.ts';
import { type WishedPlace, checkRequest } from '../../agent/attach/request.ts';
import {
  type AddressWish,
  type CardWish,
  type LinkName,
  type MacAddress,
  type RouteWish,
  type Vlan,
  parseMacAddress,
} from '../../shared/attachment.ts';
import { WarrenError } from '../../shared/errors.ts';
import { type InterfaceName, parseInterfaceName } from '../../shared/names.ts';
import { printable } from '../../shared/net/address.ts';
import type { ExposedPort, Label, SegmentName } from '../../shared/workload.ts';
import type { InstanceOptions } from './instance.ts';

export interface AttachOptions extends InstanceOptions {
  readonly interface?: InterfaceName;
  readonly ifname?: InterfaceName;
  readonly name?: Label;
  readonly segment?: SegmentName;
  readonly service: readonly Label[];
  readonly expose: readonly ExposedPort[];
  readonly ip: readonly AddressWish[];
  readonly route: readonly RouteWish[];
  readonly mac?: MacAddress;
  readonly bridge?: LinkName;
  readonly phys?: CardWish;
  readonly mode?: 'macvlan' | 'ipvlan';
  readonly directPhys?: CardWish;
  readonly vlan?: Vlan;
  readonly dummy?: true;
  readonly dhcp?: 'udhcpc' | true;
  readonly wait?: number | true;
}

/** Throws `usage-invalid` for options that do not go together. */
export function readRequest(target: string, options: AttachOptions): z.output<typeof attachBodySchema> {
  const name = interfaceOf(options);
  const request = checkRequest({
    target,
    interface: name ?? parseInterfaceName('eth0'),
    name: options.name ?? null,
    segment: options.segment ?? null,
    services: [...options.service],
    ports: [...options.expose],
    place: placeOf(options),
    ip: [...options.ip],
    dhcp: options.dhcp === undefined ? null : 'udhcpc',
    mac: options.mac ?? null,
    routes: [...options.route],
  });
  return { ...request, interface: name };
}

/** Throws `usage-invalid` where both are given and differ. */
export function interfaceOf({ interface: name, ifname }: AttachOptions): InterfaceName | undefined {
  if (name !== undefined && ifname !== undefined && name !== ifname) {
    throw new WarrenError('usage-invalid', '--ifname is another name for --interface; give one of them', {
      field: 'interface',
    });
  }
  return name ?? ifname;
}

function placeOf({ bridge, phys, mode, directPhys, dummy, vlan: number }: AttachOptions): WishedPlace {
  if ([bridge, phys, directPhys, dummy].filter((one) => one !== undefined).length > 1) {
    throw new WarrenError('usage-invalid', 'choose one of --bridge, --phys, --direct-phys and --dummy', {
      field: 'place',
    });
  }
  const vlan = number ?? null;
  if (vlan !== null && bridge === undefined && phys === undefined) {
    throw new WarrenError('usage-invalid', '--vlan needs --bridge or --phys', { field: 'vlan' });
  }
  if (mode !== undefined && phys === undefined) {
    throw new WarrenError('usage-invalid', '--mode needs --phys', { field: 'mode' });
  }
  if (bridge !== undefined) return { kind: 'bridge', bridge, vlan };
  if (phys !== undefined) return { kind: 'card', card: phys, mode: mode ?? 'macvlan', vlan };
  if (dummy === true) return { kind: 'dummy' };
  if (directPhys !== undefined) return { kind: 'direct', card: directPhys };
  return { kind: 'mesh' };
}

/** `02:…`, or `U:TEXT` as pipework has it. */
export function parseMac(text: string): MacAddress {
  return text.startsWith('U:') ? macOfText(text.slice(2)) : parseMacAddress(text);
}

/** pipework knows two more; why they are none here stands in agent/dhcp/client.ts. */
export function parseDhcp(text: string): 'udhcpc' {
  if (text === 'udhcpc') return text;
  const why = `'${printable(text)}' is no DHCP client that Warren runs; write --dhcp, or --dhcp udhcpc (of busybox)`;
  throw new WarrenError('usage-invalid', why, { field: 'dhcp' });
}

/** `80`, `80/tcp` or `53/udp`. */
export function parseExposed(text: string): ExposedPort {
  const [, port = '', protocol = 'tcp'] = /^([1-9]\d{0,4})(?:\/(tcp|udp))?$/.exec(text) ?? [];
  if (port === '' || Number(port) > 65_535) {
    throw new WarrenError('usage-invalid', `'${printable(text)}' is no port; write 80 or 53/udp`, { field: 'expose' });
  }
  return { port: Number(port), protocol: protocol === 'udp' ? 'udp' : 'tcp' };
}

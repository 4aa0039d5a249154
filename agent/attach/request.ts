/** What an attachment is asked to be: the body of the local call, and what the book keeps of it. */
import { z } from 'zod';
import {
  addressWishSchema,
  cardWishSchema,
  linkNameSchema,
  macAddressSchema,
  noAddress,
  routeWishSchema,
  vlanSchema,
} from '../../shared/attachment.ts';
import { WarrenError } from '../../shared/errors.ts';
import { interfaceNameSchema } from '../../shared/names.ts';
import { exposedPortSchema, labelNameSchema, segmentNameSchema } from '../../shared/workload.ts';

/** Where the interface leads. */
export const placeSchema = z.discriminatedUnion('kind', [
  /** The host's container subnet, or the bridged segment that is named. */
  z.strictObject({ kind: z.literal('mesh') }),
  /** Another Linux bridge; made when it is missing and called `br…`. */
  z.strictObject({ kind: z.literal('bridge'), bridge: linkNameSchema, vlan: vlanSchema.nullable().default(null) }),
  /** A link of its own on a network card. */
  z.strictObject({
    kind: z.literal('card'),
    card: cardWishSchema,
    mode: z.enum(['macvlan', 'ipvlan']),
    vlan: vlanSchema.nullable().default(null),
  }),
  /** The network card itself, until it is detached. */
  z.strictObject({ kind: z.literal('direct'), card: cardWishSchema }),
  /** Nowhere: addresses without a wire. */
  z.strictObject({ kind: z.literal('dummy') }),
]);
export type WishedPlace = z.output<typeof placeSchema>;

export const attachRequestSchema = z.strictObject({
  target: z.string().max(300),
  interface: interfaceNameSchema,
  /** Null: after the target, where that has a name. */
  name: labelNameSchema.nullable().default(null),
  segment: segmentNameSchema.nullable().default(null),
  services: z.array(labelNameSchema).max(16).default([]),
  ports: z.array(exposedPortSchema).max(64).default([]),
  place: placeSchema.default({ kind: 'mesh' }),
  /** None: one of the container subnet in each family on the mesh, and none anywhere else. */
  ip: z.array(addressWishSchema).max(8).default([]),
  /** The client that is to get its address from a DHCP server. */
  dhcp: z.enum(['udhcpc']).nullable().default(null),
  mac: macAddressSchema.nullable().default(null),
  routes: z.array(routeWishSchema).max(64).default([]),
});
export type AttachRequest = z.output<typeof attachRequestSchema>;

/** Throws `usage-invalid` for what makes no sense together; each part alone has passed its grammar. */
export function checkRequest(request: AttachRequest): AttachRequest {
  const { place, ip, mac, dhcp } = request;
  if (dhcp !== null && ip.length > 0) throw wrong('ip', '--dhcp brings the address; leave out --ip');
  if (dhcp !== null && (place.kind === 'dummy' || (place.kind === 'mesh' && request.segment === null))) {
    throw wrong('dhcp', '--dhcp is for --bridge, --phys, --direct-phys or a bridged --segment, where a server may be');
  }
  if (place.kind !== 'mesh' && request.segment !== null) {
    throw wrong(
      'segment',
      '--segment is for interfaces on the mesh; leave out --bridge, --phys, --direct-phys and --dummy',
    );
  }
  if (place.kind === 'card' && place.mode === 'ipvlan' && mac !== null) {
    throw wrong('mac', 'an ipvlan interface has the MAC address of its card; leave out --mac');
  }
  if (place.kind === 'direct' && mac !== null) throw wrong('mac', '--direct-phys keeps the MAC address of the card');
  if (ip.some((text) => text === noAddress) && ip.length > 1) {
    throw wrong('ip', '--ip 0/0 means no address, and stands alone');
  }
  return request;
}

function wrong(field: string, message: string): WarrenError {
  return new WarrenError('usage-invalid', message, { field });
}

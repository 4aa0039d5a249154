/** The inside of an attached interface: link, addresses, routes. */
import { containsAddress } from '../../shared/net/cidr.ts';
import type { Address } from '../../shared/net/address.ts';
import type { ObservedLink, ObservedNamespace } from './observed.ts';
import type { AttachmentAddress, AttachmentRoute, AttachmentSpec } from './settings.ts';
import type { AttachmentSet, Step } from './step.ts';

export function insideChange(
  spec: AttachmentSpec,
  inner: ObservedLink,
  inside: ObservedNamespace,
  mtu: number,
): Step | undefined {
  const wanted = spec.addresses.map(addressInside);
  const addAddresses = wanted.filter((address) => !inner.addresses.includes(address));
  const removeAddresses = inner.addresses.filter((address) => !wanted.includes(address) && isManaged(spec, address));
  const isOther = (gateway: Address, route: ObservedNamespace['gateways'][number]): boolean =>
    route.device !== inner.name && route.gateway.includes(':') === gateway.includes(':');
  const spare = (spec.spareGateways ?? []).filter((one) => !inside.gateways.some((route) => isOther(one, route)));
  const gateways = [...spec.gateways, ...spare].filter(
    (gateway) => !inside.gateways.some((route) => route.gateway === gateway && route.device === inner.name),
  );
  const routes = (spec.routes ?? []).filter((route) => !hasRoute(inside, inner.name, route));
  const why = [
    ...(inner.mtu === mtu ? [] : [`MTU is ${inner.mtu}`]),
    ...(inner.isUp ? [] : ['the link is down']),
    ...addAddresses.map((address) => `${address} is missing`),
    ...removeAddresses.map((address) => `${address} is not its address`),
    ...gateways.map((gateway) => `no default route through ${gateway}`),
    ...routes.map(({ prefix }) => `no route to ${prefix}`),
  ];
  if (why.length === 0) return undefined;
  const set: AttachmentSet = {
    kind: 'attachment-set',
    spec,
    ...(inner.mtu === mtu ? {} : { mtu }),
    ...(inner.isUp ? {} : { isUp: true }),
    addAddresses,
    ...(inner.isUp && addAddresses.length > 0 && inner.mac !== undefined && hasOwnMac(spec)
      ? { noticeMac: inner.mac }
      : {}),
    removeAddresses,
    gateways,
    ...(routes.length === 0 ? {} : { routes }),
  };
  return { ...set, why: why.join(', ') };
}

/** Everything there is to do on an interface that was just made. */
export const wholeInside = (spec: AttachmentSpec, mtu: number): AttachmentSet => ({
  kind: 'attachment-set',
  spec,
  mtu,
  isUp: true,
  addAddresses: spec.addresses.map(addressInside),
  removeAddresses: [],
  gateways: spec.gateways,
  ...(spec.routes === undefined ? {} : { routes: spec.routes }),
});

/** The address with its lease's length, so that neighbours on the lease are on the link. */
export function addressInside({ address, lease }: AttachmentAddress): string {
  return `${address}${lease.slice(lease.lastIndexOf('/'))}`;
}

/** A gateway on none of the interface's own networks is told to be on the link. */
export const isOnLink = (spec: AttachmentSpec, gateway: Address): boolean =>
  spec.addresses.some(({ lease }) => containsAddress(lease, gateway));

/** On somebody else's network others may add addresses too: routers do, for IPv6. */
const isManaged = ({ place }: AttachmentSpec, address: string): boolean =>
  place === undefined || !address.includes(':');

/** An ipvlan's is its card's, and cannot be set. */
const hasOwnMac = ({ place }: AttachmentSpec): boolean => place?.kind !== 'card' || place.mode === 'macvlan';

const hasRoute = ({ routes }: ObservedNamespace, device: string, wanted: AttachmentRoute): boolean =>
  routes.some((route) => route.prefix === wanted.prefix && route.device === device && route.gateway === wanted.gateway);

/**
 * The real network below a mesh: one router namespace, every host on a link of its own with addresses of its own and a
 * default route, as clouds do it. Routed and not bridged, because each pair of hosts on a bridge costs two neighbour
 * entries and the kernel's limit is shared by all namespaces of the machine.
 */
import { ipBatch, run } from './command.ts';
import { inside, makeNamespace } from './namespace.ts';

/** Which Internet protocols the underlay carries. */
export type Families = 'ipv4' | 'ipv6' | 'dual';

/** What a host's cable goes into: the underlay itself, or a box on it. */
export interface Uplink {
  /** Gives the namespace a link `eth0` with a default route; answers its addresses, IPv4 first. */
  plug(namespace: string, number: number): Promise<readonly string[]>;
  /** Takes the link away, with all that stood on it. */
  unplug(namespace: string): Promise<void>;
}

export interface Underlay extends Uplink {
  /** Name of the router's namespace: everything on the wire passes through it. */
  readonly router: string;
  readonly families: Families;
  /** Makes namespace `name` and connects it as `addresses`. */
  connect(name: string, ...addresses: string[]): Promise<void>;
  /** The underlay for hosts that have one family alone. */
  only(family: 4 | 6): Uplink;
  /** Cuts a host's link, or brings it back. */
  setLink(name: string, state: 'up' | 'down'): Promise<void>;
  /** Leads a prefix to what is connected as `name`. */
  route(prefix: string, name: string): Promise<void>;
  /** Bytes that fit through the link of `name`, in both directions. */
  setMtu(name: string, bytes: number): Promise<void>;
}

export const gateway4 = '10.0.0.1';
/** On every link, so it needs no prefix. */
export const gateway6 = 'fe80::1';

export const isIpv6 = (text: string): boolean => text.includes(':');

/** Addresses of the underlay's own, by number: the server is 2, hosts begin at 10. */
export function underlayAddresses(families: Families, number: number): string[] {
  return [
    ...(families === 'ipv6' ? [] : [`10.0.0.${number}`]),
    ...(families === 'ipv4' ? [] : [`2001:db8::${number.toString(16)}`]),
  ];
}

interface Cable {
  readonly link: string;
  readonly addresses: readonly string[];
  readonly routes: string[];
}

export async function makeUnderlay(router: string, families: Families = 'ipv4'): Promise<Underlay> {
  await makeNamespace(router);
  const six = families === 'ipv4' ? ['all.disable_ipv6=1'] : ['all.forwarding=1', 'default.accept_dad=0'];
  const switches = ['net.ipv4.ip_forward=1', ...six.map((name) => `net.ipv6.conf.${name}`)];
  await run(inside(router, ['sysctl', '-qw', ...switches]));
  const cables = new Map<string, Cable>();
  let count = 0;
  const cableOf = (name: string): Cable => {
    const cable = cables.get(name);
    if (cable === undefined) throw new Error(`${name} is not on the underlay`);
    return cable;
  };
  const join = async (name: string, addresses: readonly string[]): Promise<void> => {
    const cable = { link: `l${count}`, addresses, routes: [] };
    count += 1;
    cables.set(name, cable);
    await connect(router, name, cable);
  };
  const unplug = async (name: string): Promise<void> => {
    await ipBatch([`link del ${cableOf(name).link}`], router);
    cables.delete(name);
  };
  return {
    router,
    families,
    only: (family) => ({
      async plug(name, number) {
        const addresses = underlayAddresses(families, number).filter((one) => isIpv6(one) === (family === 6));
        await join(name, addresses);
        return addresses;
      },
      unplug,
    }),
    async connect(name, ...addresses) {
      await makeNamespace(name);
      await join(name, addresses);
    },
    async plug(name, number) {
      const addresses = underlayAddresses(families, number);
      await join(name, addresses);
      return addresses;
    },
    unplug,
    async setLink(name, state) {
      const { link, addresses, routes } = cableOf(name);
      await ipBatch([`link set ${link} ${state}`], router);
      if (state === 'up') await ipBatch([...routesTo(link, addresses), ...routes], router);
    },
    async route(prefix, name) {
      const { link, addresses, routes } = cableOf(name);
      const via = addresses.find((address) => isIpv6(address) === isIpv6(prefix));
      routes.push(`route replace ${prefix} via ${via} dev ${link} onlink`);
      await ipBatch(routes.slice(-1), router);
    },
    async setMtu(name, bytes) {
      await ipBatch([`link set ${cableOf(name).link} mtu ${bytes}`], router);
      await ipBatch([`link set eth0 mtu ${bytes}`], name);
    },
  };
}

async function connect(router: string, name: string, { link, addresses }: Cable): Promise<void> {
  const hasSix = addresses.some(isIpv6);
  if (hasSix) await run(inside(name, ['sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0']));
  await ipBatch([`link add eth0 netns ${name} type veth peer name ${link} netns ${router}`]);
  const gateways = [`addr add ${gateway4}/32 dev ${link}`, ...(hasSix ? [`addr add ${gateway6}/64 dev ${link}`] : [])];
  await ipBatch([...gateways, `link set ${link} up`, ...routesTo(link, addresses)], router);
  await ipBatch(
    [...addresses.map((one) => `addr add ${one} dev eth0`), 'link set eth0 up', ...defaults(addresses)],
    name,
  );
}

/** An address without a length is one of its own: /32 or /128. */
const routesTo = (link: string, addresses: readonly string[]): string[] =>
  addresses.map((address) => `route replace ${address} dev ${link}`);

const defaults = (addresses: readonly string[]): string[] =>
  addresses.map((address) => `route add default via ${isIpv6(address) ? gateway6 : gateway4} dev eth0 onlink`);

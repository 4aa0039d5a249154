/**
 * Boxes between hosts of a lab and its underlay: home routers, offices, carriers, as `NatKind` tells them apart. Hosts
 * are plugged into a box as into the underlay (`lab.addHost(name, box)`, `lab.move(host, box)`); hosts of one box are in
 * one LAN. Everything is in namespaces of the lab and ends with it.
 */
import { ipBatch, run } from './command.ts';
import { namespacePrefix } from './lab-cleanup.ts';
import { type BoxRules, type NatKind, boxRules } from './lab-nat-rules.ts';
import type { Lab } from './lab.ts';
import { inside, makeNamespace, runInside } from './namespace.ts';
import { type Uplink, gateway6, isIpv6 } from './underlay.ts';

export interface BoxOptions {
  readonly kind: NatKind;
  /** Default drop, as routers are sold; accept is a Linux machine that masquerades. */
  readonly input?: 'drop' | 'accept';
}

export interface NatBox extends Uplink {
  readonly kind: NatKind;
  readonly input: 'drop' | 'accept';
  readonly namespace: string;
  /** What the outside sees hosts behind it as; of hosts behind a public box it sees their own. */
  readonly address: string;
  /** Forgets all it tracks, as after a power cut, and gives other ports from now on. */
  rebind(): Promise<void>;
  /** Lets UDP pass through, or not. */
  setUdp(state: 'open' | 'blocked'): Promise<void>;
  /** Makes the way between box and underlay narrower; `isTold` false: nobody is told of packets that do not fit. */
  setMtu(bytes: number, isTold?: boolean): Promise<void>;
}

/** Boxes of a lab so far, for their numbers. */
const boxes = new WeakMap<Lab, number>();

export async function addBox(lab: Lab, { kind, input = 'drop' }: BoxOptions): Promise<NatBox> {
  const number = (boxes.get(lab) ?? 0) + 1;
  boxes.set(lab, number);
  const namespace = `${namespacePrefix(lab.id)}n${number}`;
  await makeNamespace(namespace);
  const [address = ''] = await lab.underlay.plug(namespace, 100 + number);
  const lan = lanOf(lab, kind, number);
  await makeLan(lab, namespace, lan);
  let rules: BoxRules = { kind, input, forwardTo: undefined, ports: undefined, udp: 'open', isTooBigTold: true };
  const set = async (changes: Partial<BoxRules>): Promise<void> => {
    rules = { ...rules, ...changes };
    await runInside(namespace, ['nft', '-f', '-'], { input: boxRules(rules) });
  };
  await set({});
  const links = new Map<string, { link: string; addresses: readonly string[] }>();
  let linkCount = 0;
  let rebinds = 0;
  return {
    kind,
    input,
    namespace,
    address,
    async plug(host, hostNumber) {
      const link = `l${linkCount}`;
      linkCount += 1;
      const addresses = lan.map(({ prefix }) => prefix + (isIpv6(prefix) ? hostNumber.toString(16) : hostNumber));
      links.set(host, { link, addresses });
      await connect(namespace, link, host, addresses);
      if (rules.forwardTo === undefined && kind === 'forwarded') await set({ forwardTo: addresses[0] ?? '' });
      return addresses;
    },
    async unplug(host) {
      const cable = links.get(host);
      if (cable === undefined) throw new Error(`${host} is not behind ${namespace}`);
      links.delete(host);
      await ipBatch([`link del ${cable.link}`], namespace);
      if (rules.forwardTo === cable.addresses[0]) await set({ forwardTo: undefined });
    },
    async rebind() {
      rebinds += 1;
      const first = 20_000 + 1_000 * rebinds;
      await set({ ports: `${first}-${first + 99}` });
      await runInside(namespace, ['conntrack', '-F']);
    },
    setUdp: (udp) => set({ udp }),
    async setMtu(bytes, isTold = true) {
      await set({ isTooBigTold: isTold });
      await lab.underlay.setMtu(namespace, bytes);
    },
  };
}

interface Lan {
  /** The text before a host's number. */
  readonly prefix: string;
  readonly length: number;
  /** True where the underlay knows the way to it. */
  readonly isRouted: boolean;
}

/** A private IPv4 network, or a routed one behind a public box; IPv6 is always routed. */
function lanOf(lab: Lab, kind: NatKind, number: number): Lan[] {
  const { families } = lab.underlay;
  const isPublic = kind === 'public';
  const four = { prefix: isPublic ? `10.0.${number}.` : `192.168.${number}.`, length: 24, isRouted: isPublic };
  const six = { prefix: `2001:db8:${number}::`, length: 64, isRouted: true };
  return [...(families === 'ipv6' ? [] : [four]), ...(families === 'ipv4' ? [] : [six])];
}

async function makeLan(lab: Lab, namespace: string, lan: readonly Lan[]): Promise<void> {
  const hasSix = lan.some(({ prefix }) => isIpv6(prefix));
  const six = hasSix ? ['net.ipv6.conf.all.forwarding=1', 'net.ipv6.conf.default.accept_dad=0'] : [];
  await run(inside(namespace, ['sysctl', '-qw', 'net.ipv4.ip_forward=1', ...six]));
  await ipBatch(
    [
      'link add lan type bridge',
      ...lan.map(({ prefix, length }) => `addr add ${prefix}1/${length} dev lan`),
      ...(hasSix ? [`addr add ${gateway6}/64 dev lan`] : []),
      'link set lan up',
    ],
    namespace,
  );
  for (const { prefix, length, isRouted } of lan) {
    if (isRouted) await lab.underlay.route(isIpv6(prefix) ? `${prefix}/${length}` : `${prefix}0/${length}`, namespace);
  }
}

async function connect(box: string, link: string, host: string, addresses: readonly string[]): Promise<void> {
  if (addresses.some(isIpv6)) await run(inside(host, ['sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0']));
  await ipBatch([`link add eth0 netns ${host} type veth peer name ${link} netns ${box}`]);
  await ipBatch([`link set ${link} master lan up`], box);
  const gateways = addresses.map((one) => (isIpv6(one) ? gateway6 : one.replace(/\d+$/, '1')));
  await ipBatch(
    [
      ...addresses.map((one) => `addr add ${one}/${isIpv6(one) ? 64 : 24} dev eth0`),
      'link set eth0 up',
      ...gateways.map((gateway) => `route add default via ${gateway} dev eth0`),
    ],
    host,
  );
}

/** One network namespace of a fake host: links, addresses and routes, changed by the lines of an `ip` batch. */
import { cidrRange, makeCidr } from '../../shared/net/cidr.ts';
import { type Family, addressValue } from '../../shared/net/address.ts';
import { Refusal } from './fake-host-refusal.ts';

export interface FakeLink {
  name: string;
  readonly index: number;
  readonly kind: string | undefined;
  readonly isLoopback: boolean;
  alias: string | undefined;
  mtu: number;
  mac: string;
  isUp: boolean;
  master: string | undefined;
  addresses: string[];
  peer: { netns: FakeNetns; name: string; index: number } | undefined;
  /** As `ip -j -d` prints it. */
  vxlan: { id: number; port: number; local?: string; local6?: string; link: string } | undefined;
  /** Of a VLAN's link. */
  vlanId: number | undefined;
  /** The link of this namespace that it is on. */
  parent: string | undefined;
  isVlanFiltering: boolean;
  /** Of a port: VLAN -> flags as `bridge -j vlan` prints them. */
  vlans: Map<number, string[]>;
  /** Forwarding entries as `bridge -j fdb` prints them. */
  entries: { mac: string; dst: string; flags: string[] }[];
}

export interface FakeRoute {
  prefix: string;
  device: string;
  protocol: string;
  source: string | undefined;
  gateway: string | undefined;
  metric: number | undefined;
  mtu?: number;
}

let lastIndex = 0;
const familyOf = (text: string): Family => (text.includes(':') ? 6 : 4);

export class FakeNetns {
  readonly links = new Map<string, FakeLink>();
  routes: FakeRoute[] = [];
  readonly #tell: (line: string) => void;

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  addLink(
    name: string,
    kind: string | undefined,
    options: { mtu: number; isLoopback?: boolean; mac?: string },
  ): FakeLink {
    if (this.links.has(name)) throw new Refusal('RTNETLINK answers: File exists', 2);
    if (name.length > 15) throw new Refusal(`Error: argument "${name}" is wrong: "dev" not a valid ifname`);
    lastIndex += 1;
    const link: FakeLink = {
      name,
      index: lastIndex,
      kind,
      isLoopback: options.isLoopback ?? false,
      alias: undefined,
      mtu: options.mtu,
      mac: options.mac ?? `02:00:00:00:00:${(lastIndex & 0xff).toString(16).padStart(2, '0')}`,
      isUp: false,
      master: undefined,
      addresses: [],
      peer: undefined,
      vxlan: undefined,
      vlanId: undefined,
      parent: undefined,
      isVlanFiltering: false,
      vlans: new Map(),
      entries: [],
    };
    this.links.set(name, link);
    this.#tell(`${link.index}: ${name}: <BROADCAST>`);
    return link;
  }

  removeLink(name: string): void {
    const link = this.need(name);
    this.links.delete(name);
    this.routes = this.routes.filter((route) => route.device !== name);
    for (const other of this.links.values()) if (other.master === name) other.master = undefined;
    this.#tell(`Deleted ${link.index}: ${name}: <BROADCAST>`);
    const { peer } = link;
    if (peer !== undefined && peer.netns.links.has(peer.name)) peer.netns.removeLink(peer.name);
    for (const other of this.links.values()) {
      if (other.vxlan?.link === name || other.parent === name) this.removeLink(other.name);
    }
  }

  need(name: string): FakeLink {
    const link = this.links.get(name);
    if (link === undefined) throw new Refusal(`Cannot find device "${name}"`);
    return link;
  }

  change(words: readonly string[], find: (path: string) => FakeNetns | undefined): void {
    const [object, verb, ...rest] = words;
    const what = `${object} ${verb}`;
    if (what === 'link add') this.#linkAdd(rest, find);
    else if (what === 'link set') this.#linkSet(rest);
    else if (what === 'link show') this.need(rest[1] ?? '');
    else if (what === 'link del') this.removeLink(rest[1] ?? '');
    else if (what === 'addr add') this.#addressAdd(rest);
    else if (what === 'addr del') this.#addressRemove(rest);
    else if (what === 'route add' || what === 'route replace') this.#routeSet(rest, what === 'route replace');
    else if (what === 'route del') this.#routeRemove(rest);
    else throw new Error(`the fake host does not know 'ip ${words.join(' ')}'`);
  }

  #linkAdd(words: readonly string[], find: (path: string) => FakeNetns | undefined): void {
    const line = words.join(' ');
    if (/ type vxlan /.test(line)) return this.#vxlanAdd(line);
    if (/ type (?:vlan|macvlan|dummy)/.test(line)) return this.#otherAdd(line, find);
    const bridge = /^dev (\S+)(?: address (\S+))?(?: mtu (\d+))? type bridge(?: mcast_snooping 0 stp_state 0)?$/.exec(
      line,
    );
    if (bridge !== null) {
      const mac = bridge[2] === undefined ? {} : { mac: bridge[2] };
      this.addLink(bridge[1] ?? '', 'bridge', { mtu: Number(bridge[3] ?? 1500), ...mac });
      return;
    }
    const veth = /^dev (\S+) mtu (\d+) type veth peer name (\S+) mtu (\d+)(?: address (\S+))?(?: netns (\S+))?$/.exec(
      line,
    );
    if (veth === null) throw new Error(`the fake host does not know 'ip link add ${line}'`);
    const [, name = '', mtu = '', peerName = '', peerMtu = '', mac, path] = veth;
    const netns = path === undefined ? this : find(path);
    if (netns === undefined) throw new Refusal(`Error: argument "${path}" is wrong: Invalid "netns" value`);
    if (netns.links.has(peerName)) throw new Refusal('RTNETLINK answers: File exists');
    const outer = this.addLink(name, 'veth', { mtu: Number(mtu) });
    const inner = netns.addLink(peerName, 'veth', { mtu: Number(peerMtu), ...(mac === undefined ? {} : { mac }) });
    outer.peer = { netns, name: peerName, index: inner.index };
    inner.peer = { netns: this, name, index: outer.index };
  }

  #otherAdd(line: string, find: (path: string) => FakeNetns | undefined): void {
    const words =
      /^(?:link (\S+) )?name (\S+)(?: address (\S+))?(?: netns (\S+))? type (vlan id (\d+)|macvlan mode bridge|dummy)$/;
    const match = words.exec(line);
    if (match === null) throw new Error(`the fake host does not know 'ip link add ${line}'`);
    const [, parent, name = '', mac, path, type = '', id] = match;
    const netns = path === undefined ? this : find(path);
    if (netns === undefined) throw new Refusal(`Error: argument "${path}" is wrong: Invalid "netns" value`);
    const mtu = parent === undefined ? 1500 : this.need(parent).mtu;
    // As kernels like 6.1 do, wherever the link is to be.
    if (this.links.has(name)) throw new Refusal('RTNETLINK answers: File exists', 2);
    const link = netns.addLink(name, type.split(' ')[0], { mtu, ...(mac === undefined ? {} : { mac }) });
    link.vlanId = id === undefined ? undefined : Number(id);
    link.parent = netns === this ? parent : undefined;
  }

  /** `vlan add dev X vid N pvid untagged`, `vlan del dev X vid N` */
  changeVlan(words: readonly string[]): void {
    const match = /^vlan (add|del) dev (\S+) vid (\d+)( pvid untagged)?$/.exec(words.join(' '));
    if (match === null) throw new Error(`the fake host does not know 'bridge ${words.join(' ')}'`);
    const [, verb, name = '', id = '', isUntagged] = match;
    const { vlans } = this.need(name);
    if (verb === 'del') vlans.delete(Number(id));
    else {
      if (isUntagged !== undefined) for (const flags of vlans.values()) flags.splice(0);
      vlans.set(Number(id), isUntagged === undefined ? [] : ['PVID', 'Egress Untagged']);
    }
  }

  vlanJson(): string {
    const ports = [...this.links.values()].filter(({ vlans }) => vlans.size > 0);
    return JSON.stringify(
      ports.map(({ name, vlans }) => ({ ifname: name, vlans: [...vlans].map(([vlan, flags]) => ({ vlan, flags })) })),
    );
  }

  #vxlanAdd(line: string): void {
    const match = /^dev (\S+) address (\S+) mtu (\d+) type vxlan id (\d+) local (\S+) dev (\S+) dstport (\d+)$/.exec(
      line,
    );
    if (match === null) throw new Error(`the fake host does not know 'ip link add ${line}'`);
    const [, name = '', mac = '', mtu = '', id = '', local = '', device = '', port = ''] = match;
    if ([...this.links.values()].some(({ vxlan }) => vxlan?.id === Number(id))) {
      throw new Refusal('Error: A VXLAN device with the specified VNI already exists.', 2);
    }
    this.need(device);
    const link = this.addLink(name, 'vxlan', { mtu: Number(mtu), mac });
    const own = familyOf(local) === 4 ? { local } : { local6: local };
    link.vxlan = { id: Number(id), port: Number(port), link: device, ...own };
  }

  /** `fdb append|del MAC dev X dst IP self` */
  changeEntry(words: readonly string[]): void {
    const match = /^fdb (append|del) (\S+) dev (\S+) dst (\S+) self$/.exec(words.join(' '));
    if (match === null) throw new Error(`the fake host does not know 'bridge ${words.join(' ')}'`);
    const [, verb, mac = '', name = '', dst = ''] = match;
    const link = this.need(name);
    const isThere = link.entries.some((entry) => entry.mac === mac && entry.dst === dst);
    if (verb === 'del' && !isThere) throw new Refusal('RTNETLINK answers: No such file or directory');
    if (verb === 'del') link.entries = link.entries.filter((entry) => entry.mac !== mac || entry.dst !== dst);
    else if (!isThere) link.entries.push({ mac, dst, flags: ['self'] });
  }

  #linkSet([, name = '', ...rest]: readonly string[]): void {
    const link = this.need(name);
    for (let i = 0; i < rest.length; i += 1) {
      const word = rest[i];
      if (word === 'up') link.isUp = true;
      else if (word === 'down') this.#linkDown(link);
      else if (word === 'mtu') link.mtu = Number(rest[(i += 1)]);
      else if (word === 'arp' || word === 'addrgenmode' || word === 'address') i += 1;
      else if (word === 'alias') link.alias = rest[(i += 1)];
      else if (word === 'name') this.#rename(link, rest[(i += 1)] ?? '');
      else if (word === 'master') {
        link.master = this.need(rest[(i += 1)] ?? '').name;
        link.vlans = new Map([[1, ['PVID', 'Egress Untagged']]]);
      } else if (word === 'type' && rest[i + 2] === 'vlan_filtering') {
        link.isVlanFiltering = rest[i + 3] === '1';
        i += 3;
      } else throw new Error(`the fake host does not know 'ip link set ${rest.join(' ')}'`);
    }
    if (link.isUp) for (const address of link.addresses) this.#connect(link, address);
    this.#tell(`${link.index}: ${name}: <BROADCAST${link.isUp ? ',UP' : ''}> mtu ${link.mtu}`);
  }

  #rename(link: FakeLink, name: string): void {
    if (this.links.has(name)) throw new Refusal('RTNETLINK answers: File exists', 2);
    this.links.delete(link.name);
    link.name = name;
    this.links.set(name, link);
  }

  #linkDown(link: FakeLink): void {
    link.isUp = false;
    this.routes = this.routes.filter((route) => route.device !== link.name);
  }

  #addressAdd([address = '', , name = '']: readonly string[]): void {
    const link = this.need(name);
    if (link.addresses.includes(address)) throw new Refusal('RTNETLINK answers: File exists');
    link.addresses.push(address);
    if (link.isUp) this.#connect(link, address);
    this.#tell(`${link.index}: ${name}    inet ${address} scope global ${name}`);
  }

  /** The kernel takes routes with that source address away as well. */
  #addressRemove([address = '', , name = '']: readonly string[]): void {
    const link = this.need(name);
    if (!link.addresses.includes(address)) throw new Refusal('RTNETLINK answers: Cannot assign requested address');
    link.addresses = link.addresses.filter((other) => other !== address);
    const source = address.split('/')[0];
    this.routes = this.routes.filter((route) => route.source !== source);
    this.#tell(`Deleted ${link.index}: ${name}    inet ${address} scope global ${name}`);
  }

  #connect(link: FakeLink, address: string): void {
    const [host = '', length] = address.split('/');
    const { family, value } = addressValue(host);
    const bits = family === 4 ? 32 : 128;
    if (Number(length) === bits) return;
    const size = 1n << BigInt(bits - Number(length));
    const prefix = makeCidr(family, value - (value % size), Number(length));
    if (this.routes.some((route) => route.prefix === prefix && route.device === link.name)) return;
    const source = family === 4 ? host : undefined;
    this.routes.push({ prefix, device: link.name, protocol: 'kernel', source, gateway: undefined, metric: undefined });
  }

  #routeSet(words: readonly string[], isReplacement: boolean): void {
    const prefix = this.#prefix(words[0] ?? '', words);
    const named = namedWords(words.slice(1));
    const link = this.need(named.get('dev') ?? '');
    if (!link.isUp) throw new Refusal('Error: Device for nexthop is not up.');
    const source = named.get('src');
    if (source !== undefined && !this.#isLocal(source)) throw new Refusal('Error: Invalid prefsrc address.');
    const existing = this.routes.findIndex((route) => route.prefix === prefix);
    if (existing >= 0 && !isReplacement) throw new Refusal('RTNETLINK answers: File exists');
    if (existing >= 0) this.routes.splice(existing, 1);
    this.routes.push({
      prefix,
      device: link.name,
      protocol: named.get('proto') ?? 'boot',
      source,
      gateway: named.get('via'),
      metric: familyOf(prefix) === 6 ? 1024 : undefined,
      ...(named.has('mtu') ? { mtu: Number(named.get('mtu')) } : {}),
    });
    this.#tell(`${prefix} dev ${link.name} proto ${named.get('proto') ?? 'boot'}`);
  }

  #routeRemove(words: readonly string[]): void {
    const prefix = this.#prefix(words[0] ?? '', words);
    const device = namedWords(words.slice(1)).get('dev');
    const at = this.routes.findIndex((r) => r.prefix === prefix && (device === undefined || r.device === device));
    const route = this.routes[at];
    if (route === undefined) throw new Refusal('RTNETLINK answers: No such process');
    this.routes.splice(at, 1);
    this.#tell(`Deleted ${prefix} dev ${route.device} proto ${route.protocol}`);
  }

  #prefix(text: string, words: readonly string[]): string {
    if (text === 'default') return words.join(' ').includes(':') ? '::/0' : '0.0.0.0/0';
    cidrRange(text);
    return text;
  }

  #isLocal(address: string): boolean {
    return [...this.links.values()].some((link) => link.addresses.some((own) => own.split('/')[0] === address));
  }

  addressJson(): string {
    const items = [...this.links.values()].map((link) => ({
      ifindex: link.index,
      ...(link.peer === undefined ? {} : { link_index: link.peer.index }),
      ifname: link.name,
      flags: [...(link.isLoopback ? ['LOOPBACK'] : []), ...(link.isUp ? ['UP'] : [])],
      mtu: link.mtu,
      ...(link.master === undefined ? {} : { master: link.master }),
      address: link.mac,
      ...(link.alias === undefined ? {} : { ifalias: link.alias }),
      ...(link.kind === undefined ? {} : { linkinfo: { info_kind: link.kind, info_data: link.vxlan ?? dataOf(link) } }),
      ...(link.parent === undefined ? {} : { link: link.parent }),
      addr_info: link.addresses.map((address) => {
        const [local, prefixlen] = address.split('/');
        return {
          family: familyOf(address) === 4 ? 'inet' : 'inet6',
          local,
          prefixlen: Number(prefixlen),
          scope: 'global',
        };
      }),
    }));
    return JSON.stringify(items);
  }

  routeJson(families: readonly Family[]): string {
    const shown = this.routes.filter((route) => families.includes(familyOf(route.prefix)));
    return JSON.stringify(
      shown.map((route) => ({
        dst: /^(0\.0\.0\.0|::)\/0$/.test(route.prefix) ? 'default' : route.prefix.replace(/\/(32|128)$/, ''),
        dev: route.device,
        protocol: route.protocol,
        ...(route.gateway === undefined ? {} : { gateway: route.gateway }),
        ...(route.source === undefined ? {} : { prefsrc: route.source }),
        ...(route.metric === undefined ? {} : { metric: route.metric }),
        ...(route.mtu === undefined ? {} : { metrics: [{ mtu: route.mtu }] }),
      })),
    );
  }
}

function dataOf(link: FakeLink): object {
  if (link.kind === 'bridge') return { vlan_filtering: link.isVlanFiltering ? 1 : 0 };
  return link.vlanId === undefined ? {} : { id: link.vlanId };
}

function namedWords(words: readonly string[]): Map<string, string> {
  const named = new Map<string, string>();
  for (let i = 0; i + 1 < words.length; i += 2) named.set(words[i] ?? '', words[i + 1] ?? '');
  return named;
}

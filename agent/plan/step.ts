/** One change of the kernel as data. `why` is for people: it goes to logs and failures. */
import type { Address, Family } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { DesiredFirewalld } from './firewalld.ts';
import type { PresharedKey } from './preshared.ts';
import type { DesiredResolver } from './resolver.ts';
import type { AttachmentRoute, AttachmentSpec } from './settings.ts';

export type Step = StepOf & { readonly why: string };
export type StepKind = Step['kind'];

type StepOf =
  | { readonly kind: 'sysctl-set'; readonly path: string; readonly value: string; readonly previous: string }
  | TableSet
  | {
      readonly kind: 'elements-set';
      readonly family: TableFamily;
      readonly name: string;
      readonly changes: readonly ElementChange[];
    }
  | { readonly kind: 'table-remove'; readonly family: 'bridge'; readonly name: string }
  /** `input` is what `iptables-restore --noflush` reads. */
  | { readonly kind: 'iptables-set'; readonly family: Family; readonly input: string }
  | (Pick<DesiredFirewalld, 'zone' | 'tunnel' | 'listenPort' | 'mark' | 'seal'> & {
      readonly kind: 'firewalld-set';
    })
  | { readonly kind: 'firewalld-bind'; readonly interfaceName: string; readonly zone: string }
  | (DesiredResolver & { readonly kind: 'resolver-set'; readonly interfaceName: string; readonly index: number })
  | { readonly kind: 'resolver-clear'; readonly interfaceName: string; readonly index: number }
  | { readonly kind: 'wireguard-create'; readonly interfaceName: string; readonly mark: string }
  | {
      readonly kind: 'wireguard-set';
      readonly interfaceName: string;
      readonly listenPort: number;
      /** True sets the private key from the settings' file as well. */
      readonly isKeySet: boolean;
    }
  | { readonly kind: 'bridge-create'; readonly interfaceName: string; readonly mark: string; readonly mtu: number }
  | {
      readonly kind: 'segment-bridge-create';
      readonly interfaceName: string;
      readonly mark: string;
      readonly mtu: number;
    }
  | VxlanCreate
  | {
      readonly kind: 'fdb-append' | 'fdb-remove';
      readonly interfaceName: string;
      readonly mac: string;
      readonly address: Address;
    }
  | LinkSet
  | { readonly kind: 'link-remove'; readonly interfaceName: string }
  | { readonly kind: 'address-add'; readonly interfaceName: string; readonly address: string }
  | { readonly kind: 'address-remove'; readonly interfaceName: string; readonly address: string }
  | PeerSet
  | {
      readonly kind: 'peer-endpoint';
      readonly interfaceName: string;
      readonly publicKey: PublicKey;
      readonly endpoint: Endpoint;
    }
  | {
      readonly kind: 'peer-psk';
      readonly interfaceName: string;
      readonly publicKey: PublicKey;
      /** Undefined takes away the one it has. A session under way goes on with its own keys. */
      readonly presharedKey: PresharedKey | undefined;
    }
  | { readonly kind: 'peer-remove'; readonly interfaceName: string; readonly publicKey: PublicKey }
  | RouteSet
  | {
      readonly kind: 'route-remove';
      readonly prefix: Cidr;
      readonly device: string;
      readonly metric: number | undefined;
    }
  /** From now on it keeps VLANs apart; ports that are in none stay together as before. */
  | { readonly kind: 'bridge-vlans'; readonly interfaceName: string }
  | { readonly kind: 'port-vlan'; readonly interfaceName: string; readonly vlan: number }
  | {
      readonly kind: 'vlan-create';
      readonly interfaceName: string;
      readonly mark: string;
      readonly card: string;
      readonly vlan: number;
    }
  | AttachmentCreate
  | AttachmentSet
  | { readonly kind: 'dummy-create'; readonly spec: AttachmentSpec; readonly mtu: number }
  | {
      readonly kind: 'card-create';
      readonly spec: AttachmentSpec;
      /** The network card it is made on. */
      readonly card: string;
      readonly mode: 'macvlan' | 'ipvlan';
      readonly mtu: number;
    }
  | { readonly kind: 'card-remove'; readonly spec: AttachmentSpec }
  | {
      /** The card itself goes into the namespace, with this alias. */
      readonly kind: 'card-move';
      readonly spec: AttachmentSpec;
      readonly card: string;
      readonly alias: string;
      readonly mtu: number;
    }
  | { readonly kind: 'card-return'; readonly spec: AttachmentSpec; readonly from: string; readonly to: string }
  /** One that is back gets its name, and is nobody's any more. */
  | { readonly kind: 'card-settle'; readonly interfaceName: string; readonly to: string };

export type TableFamily = 'inet' | 'bridge';

export interface TableSet {
  readonly kind: 'table-set';
  readonly family: TableFamily;
  readonly name: string;
  /** Of the rules as wanted. */
  readonly digest: string;
  /** Transactions that change what stands there, in order; none where nothing of it can be kept. */
  readonly scripts: readonly string[];
  /** The transaction that makes the table anew, for what the kernel will not change: the type of a set. */
  readonly whole: string;
}

/** Of one set; elements as nft prints them. */
export interface ElementChange {
  readonly set: string;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export interface VxlanCreate {
  readonly kind: 'vxlan-create';
  readonly interfaceName: string;
  readonly mark: string;
  readonly mtu: number;
  readonly vni: number;
  readonly local: Address;
  /** The tunnel: packets leave by it or not at all, and the device goes when it goes. */
  readonly device: string;
  readonly bridgeName: string;
}

export interface LinkSet {
  readonly kind: 'link-set';
  readonly interfaceName: string;
  readonly mtu?: number;
  readonly isUp?: true;
  readonly mark?: string;
  readonly master?: string;
}

/** Makes the peer, or replaces its allowed IPs and keepalive; the kernel takes the prefixes from whoever had them. */
export interface PeerSet {
  readonly kind: 'peer-set';
  readonly interfaceName: string;
  readonly publicKey: PublicKey;
  readonly allowedIps: readonly Cidr[];
  readonly keepaliveSeconds: number;
  readonly endpoint?: Endpoint;
  /** Of a peer that is made now; `peer-psk` changes that of one which is there. */
  readonly presharedKey?: PresharedKey;
  /** Present where the peer is there and this is all that differs: then nothing else of it need be touched. */
  readonly change?: AllowedIpsChange;
  /** The peer has no session: taken away and put back in one command, it begins one at once. */
  readonly isAnew?: true;
}

export interface AllowedIpsChange {
  readonly added: readonly Cidr[];
  /** Given up, and taken by no other peer. */
  readonly removed: readonly Cidr[];
}

export interface RouteSet {
  readonly kind: 'route-set';
  readonly prefix: Cidr;
  readonly device: string;
  readonly source: Address | undefined;
  /** Undefined: the device's. */
  readonly mtu: number | undefined;
  /** True replaces a route on our own device; otherwise an equal route of somebody else makes the step fail. */
  readonly isReplacement: boolean;
}

export interface AttachmentCreate {
  readonly kind: 'attachment-create';
  readonly spec: AttachmentSpec;
  readonly mark: string;
  readonly bridgeName: string;
  readonly mtu: number;
  /** Of the bridge. */
  readonly vlan?: number;
}

/** What is missing or too much inside the namespace. */
export interface AttachmentSet {
  readonly kind: 'attachment-set';
  readonly spec: AttachmentSpec;
  readonly mtu?: number;
  readonly isUp?: true;
  readonly addAddresses: readonly string[];
  /**
   * The MAC address that the link has, where addresses come to it while it is up: given once more, it makes the kernel
   * tell neighbours of all of its addresses (NETDEV_CHANGEADDR), as it does of itself when a link comes up.
   */
  readonly noticeMac?: string;
  readonly removeAddresses: readonly string[];
  readonly gateways: readonly Address[];
  readonly routes?: readonly AttachmentRoute[];
}

/** Which thing a step is about, as a report's failure names it. */
export function stepSubject(step: Step): string {
  switch (step.kind) {
    case 'sysctl-set':
      return step.path;
    case 'table-set':
    case 'elements-set':
    case 'table-remove':
      return step.name;
    case 'iptables-set':
      return step.family === 4 ? 'iptables' : 'ip6tables';
    case 'peer-set':
    case 'peer-endpoint':
    case 'peer-psk':
    case 'peer-remove':
      return step.publicKey;
    case 'route-set':
    case 'route-remove':
      return step.prefix;
    case 'address-add':
    case 'address-remove':
      return step.address;
    case 'attachment-create':
    case 'attachment-set':
    case 'card-create':
    case 'dummy-create':
    case 'card-remove':
    case 'card-move':
    case 'card-return':
      return step.spec.netnsPath;
    case 'firewalld-set':
      return step.zone;
    case 'firewalld-bind':
    case 'resolver-set':
    case 'resolver-clear':
    case 'wireguard-create':
    case 'wireguard-set':
    case 'bridge-create':
    case 'bridge-vlans':
    case 'port-vlan':
    case 'vlan-create':
    case 'segment-bridge-create':
    case 'vxlan-create':
    case 'fdb-append':
    case 'fdb-remove':
    case 'link-set':
    case 'link-remove':
    case 'card-settle':
      return step.interfaceName;
  }
}

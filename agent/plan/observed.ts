/** What the kernel has, as the agent read it. Only what planning needs; nothing here was written by a peer. */
import type { Address, Family } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { StandingTable } from './table-scripts.ts';
import type { PresharedKeyId } from './preshared.ts';

export interface Observed {
  /** Milliseconds since 1970 when the observation began. */
  readonly observedAt: number;
  readonly links: ReadonlyMap<string, ObservedLink>;
  /** Undefined where our interface is missing or does not speak WireGuard. */
  readonly wireguard: ObservedWireguard | undefined;
  /** By name of our VXLAN devices: what they send where. */
  readonly fdb: ReadonlyMap<string, readonly ObservedFdbEntry[]>;
  /** By name of a port, where an attachment is in a VLAN of a bridge. */
  readonly portVlans: ReadonlyMap<string, readonly ObservedPortVlan[]>;
  /** The main table, both families. */
  readonly routes: readonly ObservedRoute[];
  readonly table: ObservedTable;
  /** The one of family bridge. */
  readonly bridgeTable: ObservedTable;
  readonly iptables: ObservedIptables;
  /** Of others, that may stand in the way. */
  readonly foreign: readonly ForeignTable[];
  /** Undefined where none runs for this host. */
  readonly firewalld: ObservedFirewalld | undefined;
  /** What systemd-resolved knows of the tunnel; undefined where none runs for this host. */
  readonly resolver: ObservedResolver | undefined;
  /** Path below /proc/sys -> value; undefined where the kernel has none. */
  readonly sysctls: ReadonlyMap<string, string | undefined>;
  /** By attachment id; missing where its namespace could not be entered. */
  readonly attachments: ReadonlyMap<string, ObservedNamespace>;
}

/** An nftables table of somebody else's. */
export interface ForeignTable {
  readonly family: 'inet' | 'ip' | 'ip6';
  readonly name: string;
  /** Base chains that drop what they have no rule for. */
  readonly drops: readonly { readonly chain: string; readonly hook: 'input' | 'forward' }[];
  /** As nft lists it. */
  readonly text: string;
}

export interface ObservedFirewalld {
  readonly zones: readonly string[];
  /** Descriptions of our zone and policies, as far as they are there. */
  readonly seals: readonly string[];
  /** Link -> zone; empty text for none. */
  readonly zoneOf: ReadonlyMap<string, string>;
}

export interface ObservedResolver {
  readonly servers: readonly Address[];
  /** That are only asked about there. */
  readonly domains: readonly string[];
  readonly isDefaultRoute: boolean;
}

export interface ObservedLink {
  readonly name: string;
  readonly index: number;
  /** `wireguard`, `tun`, `bridge`, `veth`, … undefined for hardware. */
  readonly kind: string | undefined;
  readonly alias: string | undefined;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  readonly master: string | undefined;
  readonly mac: string | undefined;
  /** Index of a veth's other end, in that end's namespace. */
  readonly peerIndex: number | undefined;
  /** Of a bridge that keeps VLANs apart. */
  readonly isVlanFiltering?: true;
  /** Of a link of kind `vlan`. */
  readonly vlanId?: number;
  /** The link of this namespace that it is on: a VLAN's, a macvlan's. */
  readonly parent?: string;
  /** Of a link of kind `vxlan` with a number of its own. */
  readonly vxlan?: ObservedVxlan;
  /** Global addresses with their length, `10.86.0.1/32`; link-local ones are left out. */
  readonly addresses: readonly string[];
}

/** A VLAN that a port of a bridge is in. */
export interface ObservedPortVlan {
  readonly vlan: number;
  /** What comes in untagged is in it, and what is in it goes out untagged. */
  readonly isUntagged: boolean;
}

export interface ObservedVxlan {
  readonly vni: number;
  readonly port: number;
  readonly local: string | undefined;
  /** The link its packets leave by. */
  readonly device: string | undefined;
}

/** Configured or learned. */
export interface ObservedFdbEntry {
  readonly mac: string;
  /** The host that frames to `mac` are sent to. */
  readonly address: Address;
}

export interface ObservedWireguard {
  readonly publicKey: PublicKey | undefined;
  readonly listenPort: number;
  readonly peers: ReadonlyMap<PublicKey, ObservedPeer>;
}

export interface ObservedPeer {
  readonly publicKey: PublicKey;
  /** Undefined where there is none, or one that no map can name (a link-local zone): `hasEndpoint` tells. */
  readonly endpoint: Endpoint | undefined;
  readonly hasEndpoint: boolean;
  readonly presharedKeyId: PresharedKeyId | undefined;
  readonly allowedIps: readonly Cidr[];
  /** Milliseconds since 1970; 0 before the first handshake. */
  readonly handshakeAt: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly keepaliveSeconds: number;
}

export interface ObservedRoute {
  readonly family: Family;
  readonly prefix: Cidr;
  readonly device: string | undefined;
  readonly protocol: string;
  readonly gateway: string | undefined;
  readonly source: Address | undefined;
  readonly metric: number | undefined;
  readonly mtu: number | undefined;
}

export type ObservedTable =
  | { readonly kind: 'missing' }
  /** `digest` is that of the desired rules it was made from; a table altered by hand is not sealed. */
  | ({ readonly kind: 'sealed'; readonly digest: string } & StandingTable)
  | { readonly kind: 'altered' };

/** By address family; undefined where there is no iptables. */
export type ObservedIptables = Readonly<Record<4 | 6, ObservedIptablesFamily | undefined>>;

export interface ObservedIptablesFamily {
  readonly forwardPolicy: string;
  readonly inputPolicy: string;
  /** True where the chain in which Docker lets others decide is there. */
  readonly hasDockerUser: boolean;
  /** True where Docker's own chain is there. */
  readonly hasDocker: boolean;
  /** `<table> <chain>` -> its rules in order. */
  readonly chains: ReadonlyMap<string, readonly ObservedRule[]>;
}

export interface ObservedRule {
  /** As iptables-save prints it, without the chain. */
  readonly specification: string;
  /** Of the agent that made it; undefined for anybody else's. */
  readonly mark: string | undefined;
  readonly digest: string | undefined;
}

export const noIptables: ObservedIptables = { 4: undefined, 6: undefined };

/** The inside of an attached namespace. */
export interface ObservedNamespace {
  readonly links: ReadonlyMap<string, ObservedLink>;
  /** Gateways of default routes, by family and device. */
  readonly gateways: ReadonlyArray<{ readonly gateway: Address; readonly device: string }>;
  /** The others, of all tables. */
  readonly routes: ReadonlyArray<{
    readonly prefix: Cidr;
    readonly gateway: string | undefined;
    readonly device: string | undefined;
  }>;
}

/**
 * The wanted state of one host's kernel, made of its map, its settings and what the underlay looks like. Pure: no
 * clock, no I/O. A claim that cannot be believed or would cut the host off is refused with a reason; the rest stands.
 */
import type { Address } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { HostId, HostName } from '../../shared/names.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { SegmentName } from '../../shared/workload.ts';
import type { DesiredFirewalld } from './firewalld.ts';
import type { PublishedPort } from './firewall/publish.ts';
import type { IptablesWish } from './iptables.ts';
import type { DesiredChain, DesiredSet } from './nft-table.ts';
import type { PathWish } from './paths.ts';
import type { PresharedKey } from './preshared.ts';
import type { DesiredResolver } from './resolver.ts';
import type { AttachmentSpec } from './settings.ts';

export interface Desired {
  /** False where the map does not name this host: what is there is emptied, nothing is made anew. */
  readonly isMember: boolean;
  readonly interfaceName: string;
  /** Alias of every link the agent makes. */
  readonly mark: string;
  readonly publicKey: PublicKey;
  readonly listenPort: number;
  readonly mtu: number;
  /** Overlay addresses with full length, `10.86.0.1/32`. */
  readonly addresses: readonly string[];
  readonly peers: ReadonlyMap<PublicKey, DesiredPeer>;
  readonly routes: ReadonlyMap<Cidr, DesiredRoute>;
  /** Undefined where the host has no lease. */
  readonly bridge: DesiredBridge | undefined;
  readonly bridgeName: string;
  /** Bridged segments with members on this host, ordered by name. */
  readonly segments: readonly DesiredSegment[];
  readonly table: DesiredTable;
  /** Of family bridge; undefined where none is needed. */
  readonly bridgeTable: DesiredTable | undefined;
  /** Undefined where this host has no part in the mesh. */
  readonly iptables: IptablesWish | undefined;
  readonly firewalld: DesiredFirewalld | undefined;
  /** Undefined where this host's own resolver is told nothing. */
  readonly resolver: DesiredResolver | undefined;
  /** Ports of this host that lead to services. */
  readonly published: readonly PublishedPort[];
  readonly isIpv6Usable: boolean;
  readonly attachments: readonly AttachmentSpec[];
  /** Host ends of veth pairs that others than the reconciler make and move; it keeps them on the bridge. */
  readonly ports: readonly string[];
}

export interface DesiredPeer {
  readonly hostId: HostId;
  readonly name: HostName;
  readonly publicKey: PublicKey;
  /** Sorted, without duplicates. */
  readonly allowedIps: readonly Cidr[];
  readonly keepaliveSeconds: number;
  /** Candidates, best first, without those that the mesh itself would swallow. */
  readonly candidates: readonly Endpoint[];
  /** How many of the first of them are in one of this host's own networks. */
  readonly nearCount: number;
  readonly path: PathWish | undefined;
  readonly presharedKey: PresharedKey | undefined;
}

export interface DesiredRoute {
  readonly prefix: Cidr;
  readonly device: string;
  readonly source: Address | undefined;
  /** Where it is less than the tunnel's. */
  readonly mtu: number | undefined;
}

export interface DesiredBridge {
  readonly name: string;
  /** Gateway addresses with the lease's length, `10.210.1.1/24`. */
  readonly addresses: readonly string[];
  readonly mtu: number;
}

export interface DesiredSegment {
  readonly name: SegmentName;
  /** VXLAN network identifier. */
  readonly vni: number;
  readonly bridgeName: string;
  readonly vxlanName: string;
  readonly mtu: number;
  /** This host's overlay address that its frames come from. */
  readonly local: Address;
  /** Overlay addresses of the other hosts with members, all of one family, sorted. */
  readonly remotes: readonly Address[];
}

export interface DesiredTable {
  readonly name: string;
  readonly sets: readonly DesiredSet[];
  readonly chains: readonly DesiredChain[];
  /** Of all but the elements of sets. */
  readonly digest: string;
}

/** Set -> its elements as nft prints them. */
export type LiveSets = ReadonlyMap<string, readonly string[]>;

/** Something of the map that is not applied. `kind` and `subject` identify it, as in a report's failures. */
export interface Refusal {
  readonly kind:
    | 'prefix-refused'
    | 'peer-refused'
    | 'interface-refused'
    | 'attachment-refused'
    | 'segment-refused'
    | 'publication-refused'
    | 'firewall-drops';
  readonly subject: string;
  readonly why: string;
}

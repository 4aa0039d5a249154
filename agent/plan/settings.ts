/** What one agent instance calls its kernel objects. Comes from configuration and state, never from the map. */
import type { HostId, InterfaceName } from '../../shared/names.ts';
import type { Address } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { SegmentName } from '../../shared/workload.ts';

export interface HostSettings {
  readonly interfaceName: InterfaceName;
  readonly bridgeName: InterfaceName;
  /** nftables table in family inet: `warren`, or `warren-<instance>`. */
  readonly tableName: string;
  readonly listenPort: number;
  readonly privateKeyFile: string;
  /** The public half of the key in `privateKeyFile`; how the agent knows its own interface. */
  readonly publicKey: PublicKey;
  readonly selfId: HostId;
  /** There where firewalld is installed; undefined: it is told nothing. */
  readonly firewalldFolder?: string;
  /** Where systemd-resolved keeps its files while it runs; undefined: it is told nothing. */
  readonly resolvedFolder?: string;
  /** A wireguard-go to use instead of the newest one found. */
  readonly wireguardGo?: string;
  /** The coordination server's address where it is known; no prefix of the mesh may swallow it. */
  readonly serverAddress?: Address;
}

/** A container, process or namespace that has addresses on the lease. */
export interface AttachmentSpec {
  /** Short stable hash (`[0-9a-z]{1,12}`); the veth's end on the host is called `wv<id>`. */
  readonly id: string;
  /** `/run/netns/NAME` or `/proc/PID/ns/net`. */
  readonly netnsPath: string;
  /** Name inside the namespace, for example `eth0`. */
  readonly interfaceName: InterfaceName;
  readonly addresses: readonly AttachmentAddress[];
  readonly gateways: readonly Address[];
  /** Lower-case `02:…`; the kernel chooses one where it is missing. */
  readonly mac?: string;
  /** A bridged segment to be in, instead of the host's container subnet. */
  readonly segment?: SegmentName;
  /** Elsewhere than on the mesh. */
  readonly place?: AttachmentPlace;
  readonly routes?: readonly AttachmentRoute[];
  /** The gateways were asked for, and go before those that other interfaces only have. */
  readonly isGatewayNamed?: boolean;
  /** Ways to the mesh alone, where the default route is somebody else's. */
  readonly meshGateways?: readonly Address[];
  /** Of the default route, as long as no other interface has one of that family. */
  readonly spareGateways?: readonly Address[];
  /** Detached: what is there is taken away, or given back. */
  readonly isLeaving?: boolean;
}

export type AttachmentPlace =
  /** A Linux bridge; made where it is missing and called `br…`. In a VLAN: untagged in it, and in no other. */
  | { readonly kind: 'bridge'; readonly bridge: string; readonly vlan?: number | null }
  /** `card`: name of a network card, or `mac:` and its address. In a VLAN: on the card's link for it. */
  | {
      readonly kind: 'card';
      readonly card: string;
      readonly mode: 'macvlan' | 'ipvlan';
      readonly vlan?: number | null;
    }
  | { readonly kind: 'direct'; readonly card: string }
  | { readonly kind: 'dummy' };

export interface AttachmentRoute {
  readonly prefix: Cidr;
  readonly gateway: Address | undefined;
}

export interface AttachmentAddress {
  readonly address: Address;
  /** The lease the address is part of; its length is the address's length inside the namespace. */
  readonly lease: Cidr;
}

/** The route protocol number of everything Warren routes. */
export const routeProtocol = 86;

/** Linux keeps 256 bytes of alias per link: the mark that tells our links from everybody else's. */
export const linkMark = (settings: Pick<HostSettings, 'selfId'>): string => `warren:${settings.selfId}`;

export const vethName = (id: string): string => `wv${id}`;

/** The table of a relay, in families ip and ip6; it is another one because its elements change by the second. */
export const relayTableName = (tableName: string): string => `${tableName}-relay`;

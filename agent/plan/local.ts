/** What this host itself adds to its map before the kernel is planned: what its container engine has and does. */
import type { Address } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { Workload } from '../../shared/workload.ts';
import type { PathWish } from './paths.ts';
import type { PresharedKey } from './preshared.ts';

export interface LocalFacts {
  /** This host's own workloads, newer than those in the map's record of it. */
  readonly workloads: readonly Workload[];
  readonly engine: EngineFacts;
  /** Host ends of veth pairs whose other end the engine has put into containers itself; kept on the bridge. */
  readonly ports: readonly string[];
  /** What is behind ports of bridges, besides attachments. */
  readonly bindings: readonly PortBinding[];
  /**
   * Name servers of the host that containers are pointed at; what they are asked by containers on the bridge is led to
   * the agent, which answers for the mesh and asks the same servers for the rest. Undefined: the agent serves no names.
   */
  readonly resolvers: readonly Address[] | undefined;
  /** Of the socket that WireGuard's port is lent to; undefined where this agent asks no probes. */
  readonly probePort: number | undefined;
  /** Peers that a way is known to. */
  readonly paths: ReadonlyMap<PublicKey, PathWish>;
  /** What fits into the tunnel to a peer, bytes, Infinity where all of its packets do; of peers that are not in it nothing is known yet. */
  readonly innerMtus: ReadonlyMap<PublicKey, number>;
  /** What this host itself finds of its peers; those that are not in it are as the map says. */
  readonly liveness: ReadonlyMap<PublicKey, 'alive' | 'dead'>;
  /** Agreed on with peers; those that are not in it have none. */
  readonly presharedKeys: ReadonlyMap<PublicKey, PresharedKey>;
}

/** A port of a bridge and the addresses that what is behind it may use. */
export interface PortBinding {
  readonly port: string;
  readonly addresses: readonly Address[];
  /** Lower case; undefined where nobody said which. */
  readonly mac: string | undefined;
  /** The agent makes the port, by the same name each time. */
  readonly isOurs: boolean;
}

export interface EngineFacts {
  /** Which firewall the engine writes; `none` where no engine was ever seen. */
  readonly firewall: 'none' | 'iptables' | 'nftables';
  /** The engine's networks, besides Warren's own, whose containers are on the mesh. */
  readonly networks: readonly EngineNetwork[];
}

export interface EngineNetwork {
  /** The engine's name of it. */
  readonly name: string;
  /** Its bridge on this host. */
  readonly bridgeName: string;
  /** Its subnets. */
  readonly prefixes: readonly Cidr[];
}

export const noLocalFacts: LocalFacts = {
  workloads: [],
  engine: { firewall: 'none', networks: [] },
  ports: [],
  bindings: [],
  resolvers: undefined,
  probePort: undefined,
  paths: new Map(),
  innerMtus: new Map(),
  liveness: new Map(),
  presharedKeys: new Map(),
};

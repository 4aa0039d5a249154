/** What the rules of one host are made of; everything in it is parsed. */
import type { Address } from '../../../shared/net/address.ts';
import type { Cidr } from '../../../shared/net/cidr.ts';
import type { Publication, Workload } from '../../../shared/workload.ts';
import type { DesiredSegment } from '../desired.ts';
import type { LocalFacts, PortBinding } from '../local.ts';
import type { HostSettings } from '../settings.ts';

export interface FirewallInput {
  readonly settings: HostSettings;
  /** Everything that is inside the mesh: pools, overlay addresses, leases, subnets. */
  readonly mesh: readonly Cidr[];
  /** What containers have addresses of, on any host: pools, networks of engines, single addresses. */
  readonly containers: readonly Cidr[];
  /** This host's overlay addresses. */
  readonly addresses: readonly Address[];
  /** This host's leases. */
  readonly leases: readonly Cidr[];
  /** What peers may reach through this host: leases and advertised subnets. */
  readonly served: readonly Cidr[];
  /** The bridge's own addresses. */
  readonly gateways: readonly Address[];
  /** Who is behind which port, of attachments as well. */
  readonly bindings: readonly PortBinding[];
  /** Links that the bridge has as its ports now, and engines' bridges with members of segments on them, sorted. */
  readonly ports: readonly string[];
  /** Links by which packets leave this host for elsewhere than the mesh and other containers, sorted. */
  readonly outside: readonly string[];
  /** Of all hosts, as far as they can be believed; those of hosts that are gone are marked unhealthy. */
  readonly workloads: readonly Workload[];
  /** Those of this host. */
  readonly publications: readonly Publication[];
  /** Bridged segments of this host. */
  readonly bridged: readonly DesiredSegment[];
  /** What lies behind hosts that are dead. */
  readonly dead: readonly Cidr[];
  readonly local: Pick<LocalFacts, 'engine' | 'resolvers' | 'probePort'>;
}

/** The bridges of this host that have containers of the mesh on them. */
export const bridgesOf = ({ settings, local }: Pick<FirewallInput, 'settings' | 'local'>): string[] => [
  settings.bridgeName,
  ...local.engine.networks.map(({ bridgeName }) => bridgeName),
];

/**
 * Bit of the connection mark that tells a published connection, on which every rule set of this host lets it pass. Not
 * one of Kubernetes (0x4000, 0x8000), Weave or Tailscale (0x40000, 0x80000), Docker's overlay (0xd0c4e3).
 */
export const publishedMark = '0x08000000';

/** What the demo found out, as data: `--json` prints it, the tables show it, and it alone decides the exit code. */
import type { TrafficKind } from '../support/capture.ts';

export interface HostFact {
  readonly name: string;
  readonly underlay: string;
  readonly containers: readonly { readonly name: string; readonly addresses: readonly string[] }[];
}

export interface PathFact {
  readonly from: string;
  readonly to: string;
  readonly family: 4 | 6;
  readonly isReached: boolean;
  /** Median round trip in milliseconds; null when nothing came back. */
  readonly latencyMs: number | null;
  /** The address the other container saw. */
  readonly sourceSeen: string | null;
  readonly isRealSource: boolean;
}

export interface ThroughputFact {
  readonly from: string;
  readonly to: string;
  readonly megabitsPerSecond: number;
}

export interface DisturbanceFact {
  /** What was done while 100 packets a second went over every path between hosts. */
  readonly what: string;
  readonly paths: number;
  readonly sent: number;
  readonly lost: number;
  readonly longestMs: number;
}

export interface WireFact {
  readonly packets: Readonly<Record<TrafficKind, number>>;
  /** Packets the recorder missed. */
  readonly missed: number;
  /** The text that every ping carried inside the mesh. */
  readonly marker: string;
  readonly markerInside: number;
  readonly markerOnWire: number;
}

export interface Facts {
  readonly hosts: readonly HostFact[];
  /** What the containers are. */
  readonly containers: string;
  /** Seconds from the start of the last `warren join` until a container on that host reached those of all others. */
  readonly joinToPacketSeconds: number;
  readonly backend: string;
  readonly paths: readonly PathFact[];
  readonly throughput: readonly ThroughputFact[];
  readonly disturbances: readonly DisturbanceFact[];
  readonly wire: WireFact;
  readonly readyHosts: readonly string[];
}

/** Everything that should have been otherwise, in words; empty when all held. */
export function problemsIn(facts: Facts): string[] {
  const { wire } = facts;
  return [
    ...facts.paths
      .filter((path) => !path.isReached)
      .map((path) => `${path.from} does not reach ${path.to} by IPv${path.family}`),
    ...facts.paths
      .filter((path) => path.isReached && !path.isRealSource)
      .map((path) => `${path.to} saw ${path.sourceSeen ?? 'nobody'} where ${path.from} called by IPv${path.family}`),
    ...facts.throughput
      .filter((one) => one.megabitsPerSecond <= 0)
      .map((one) => `no stream from ${one.from} to ${one.to}`),
    ...facts.disturbances.filter((one) => one.lost > 0).map((one) => `${one.lost} packets lost while ${one.what}`),
    ...(wire.packets.other > 0 ? [`${wire.packets.other} packets on the wire were neither WireGuard nor control`] : []),
    ...(wire.packets.wireguard === 0 ? ['no WireGuard on the wire'] : []),
    ...(wire.markerInside === 0
      ? ['the marker was not seen inside the mesh, so its absence outside proves nothing']
      : []),
    ...(wire.markerOnWire > 0 ? [`the marker stood ${wire.markerOnWire} times on the wire`] : []),
    ...(wire.missed > 0 ? [`the recorder missed ${wire.missed} packets`] : []),
    ...facts.hosts.filter(({ name }) => !facts.readyHosts.includes(name)).map(({ name }) => `${name} is not ready`),
  ];
}

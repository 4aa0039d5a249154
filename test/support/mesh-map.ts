/** Network maps for tests of the agent: hosts numbered from 1, with keys, leases and endpoints that follow from it. */
import { createHash } from 'node:crypto';
import { type Nat, type NetworkMap, networkMapSchema } from '../../shared/network-map.ts';

export interface HostOptions {
  readonly subnets?: ReadonlyArray<{ prefix: string; weight: number }>;
  readonly endpoints?: readonly string[];
  readonly leases?: readonly string[];
  readonly addresses?: readonly string[];
  readonly publicKey?: string;
  readonly nat?: Nat;
  readonly isRelay?: boolean;
  readonly isGone?: boolean;
  readonly workloads?: readonly unknown[];
}

const letters = 'abcdefghijklmnopqrstuvwxyz234567';

export function hostId(n: number): string {
  const digits = Array.from({ length: 16 }, (_, i) => letters[Math.floor(n / 32 ** (15 - i)) % 32]);
  return `h${digits.join('')}`;
}

/** A key nobody has the private half of. */
export const publicKeyOf = (n: number): string => createHash('sha256').update(`host ${n}`).digest('base64');

export function hostRecord(n: number, options: HostOptions = {}): unknown {
  return {
    id: hostId(n),
    name: `host-${n}`,
    publicKey: options.publicKey ?? publicKeyOf(n),
    addresses: options.addresses ?? [`10.86.${n >> 8}.${n & 255}`, `fd00:86::${n.toString(16)}`],
    leases: options.leases ?? [`10.${210 + (n >> 8)}.${n & 255}.0/24`, `fd00:86:0:${(n + 16).toString(16)}::/64`],
    subnets: options.subnets ?? [],
    endpoints: options.endpoints ?? [`192.0.2.${n % 250 || 250}:${51820 + Math.floor(n / 250)}`],
    nat: options.nat ?? 'unknown',
    isRelay: options.isRelay ?? false,
    isGone: options.isGone ?? false,
    workloads: options.workloads ?? [],
  };
}

export function networkMap(hosts: readonly unknown[], mesh: Partial<NetworkMap['mesh']> = {}): NetworkMap {
  return networkMapSchema.parse({
    epoch: 'eaaaaaaaaaaaaaaaa',
    revision: 1,
    mesh: {
      overlayPools: ['10.86.0.0/16', 'fd00:86::/64'],
      containerPools: ['10.210.0.0/15', '10.212.0.0/14', 'fd00:86:0:8000::/49'],
      mtu: 1420,
      keepaliveSeconds: 25,
      ...mesh,
    },
    hosts,
  });
}

/** Hosts 1 to `count`; `options` by number. */
export function meshOf(count: number, options: Readonly<Record<number, HostOptions>> = {}): NetworkMap {
  return networkMap(Array.from({ length: count }, (_, i) => hostRecord(i + 1, options[i + 1])));
}

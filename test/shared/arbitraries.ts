/** Random network maps for laws: small pools of ids and names, so that histories meet each other. */
import fc from 'fast-check';
import type { HostId, HostName } from '../../shared/names.ts';
import { type HostRecord, type MeshSettings, type NetworkMap, natSchema } from '../../shared/network-map.ts';
import type { Address } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import { type Label, type SegmentName, type Workload, parseDomainName } from '../../shared/workload.ts';
import type { PublicKey } from '../../shared/wireguard.ts';

export const epoch = 'eaaaaaaaaaaaaaaaa';

const letters = 'abcdefghijklmnopqrstuvwxyz234567';
export const hostId = (n: number): HostId => `h${letters[n % 32]?.repeat(16) ?? ''}` as HostId;

const hostNumber = fc.integer({ min: 0, max: 11 });

const workload = (r: number, address: Address): Workload => ({
  name: `c${r}` as Label,
  services: ['web' as Label],
  addresses: [address],
  ports: [],
  segment: null,
  isHealthy: r !== 1,
  variables: [],
});

export const hostRecord: fc.Arbitrary<HostRecord> = fc
  .record({
    n: hostNumber,
    key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    subnets: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { maxLength: 3 }),
    weight: fc.integer({ min: 0, max: 3 }),
    port: fc.integer({ min: 1, max: 65535 }),
    nat: fc.constantFrom(...natSchema.options),
    isRelay: fc.boolean(),
    tlsPort: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
    isGone: fc.boolean(),
    runs: fc.subarray([0, 1, 2]),
  })
  .map(({ n, key, subnets, weight, port, nat, isRelay, tlsPort, isGone, runs }) => ({
    id: hostId(n),
    name: `host-${n}` as HostName,
    publicKey: Buffer.from(key).toString('base64') as PublicKey,
    addresses: [`10.86.0.${n + 1}` as Address],
    leases: [`10.210.${n + 1}.0/24` as Cidr],
    subnets: subnets.map((s) => ({ prefix: `192.168.${s}.0/24` as Cidr, weight })),
    endpoints: [`192.0.2.${n + 1}:${port}` as Endpoint],
    nat,
    isRelay,
    ...(tlsPort !== undefined && { tlsPort }),
    isGone,
    workloads: runs.map((r) => workload(r, `10.210.${n + 1}.${r + 2}` as Address)),
  }));

export const meshSettings: fc.Arbitrary<MeshSettings> = fc.record(
  {
    overlayPools: fc.constant(['10.86.0.0/16' as Cidr]),
    containerPools: fc.constantFrom(['10.210.0.0/16' as Cidr], ['10.210.0.0/16' as Cidr, '10.220.0.0/16' as Cidr]),
    mtu: fc.constantFrom(1420, 1380),
    keepaliveSeconds: fc.constantFrom(0, 25),
    domain: fc.constantFrom(parseDomainName('warren.internal'), parseDomainName('mesh.example')),
    publications: fc.constant([]),
    segments: fc.constantFrom([], [{ name: 'lan' as SegmentName, kind: 'bridged' as const, vni: 7 }]),
  },
  { noNullPrototype: true },
);

export const hostRecords: fc.Arbitrary<HostRecord[]> = fc
  .uniqueArray(hostRecord, { selector: (host) => host.id, maxLength: 12 })
  .map((hosts) => hosts.sort((a, b) => (a.id < b.id ? -1 : 1)));

export const networkMap = (revision: number): fc.Arbitrary<NetworkMap> =>
  fc.record(
    { epoch: fc.constant(epoch), revision: fc.constant(revision), mesh: meshSettings, hosts: hostRecords },
    { noNullPrototype: true },
  );

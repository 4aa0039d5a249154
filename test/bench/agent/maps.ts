/** Network maps of any size, and the ways in which one peer of them changes. Pure. */
import { randomBytes } from 'node:crypto';
import type { NetworkMap } from '../../../shared/network-map.ts';
import { hostRecordSchema } from '../../../shared/network-map.ts';
import { type PublicKey, parsePublicKey } from '../../../shared/wireguard.ts';
import { hostRecord, networkMap } from '../../support/mesh-map.ts';

const mesh = {
  containerPools: ['10.192.0.0/10', 'fd00:86:0:8000::/49'] as unknown as NetworkMap['mesh']['containerPools'],
};

/** Hosts 1 to `count`; the first one is the agent's own. */
export function meshMap(count: number, ownKey: PublicKey): NetworkMap {
  return networkMap(
    Array.from({ length: count }, (_, i) => member(i + 1, i === 0 ? ownKey : undefined)),
    mesh,
  );
}

function member(n: number, publicKey?: string): unknown {
  const [high, low] = [n >> 8, n & 255];
  return hostRecord(n, {
    addresses: [`10.86.${high}.${low}`, `fd00:86::${n.toString(16)}`],
    leases: [`10.${192 + high}.${low}.0/24`, `fd00:86:0:${(0x80_00 + n).toString(16)}::/64`],
    endpoints: [`198.18.${high}.${low}:51820`],
    ...(publicKey === undefined ? {} : { publicKey }),
  });
}

export type MeshChange = 'host joins' | 'key replaced' | 'subnet approved' | 'host leaves';

/** Each answers the map after the change; `round` keeps rounds apart. */
export const changes: Readonly<Record<MeshChange, (map: NetworkMap, round: number) => NetworkMap>> = {
  'host joins': (map) => ({
    ...next(map),
    hosts: [...map.hosts, hostRecordSchema.parse(member(map.hosts.length + 1))],
  }),
  'key replaced': (map, round) =>
    editOne(map, round + 1, (host) => ({ ...host, publicKey: parsePublicKey(randomBytes(32).toString('base64')) })),
  'subnet approved': (map, round) =>
    editOne(map, round + 1, (host) => ({
      ...host,
      subnets: [hostRecordSchema.shape.subnets.element.parse({ prefix: `172.20.${round}.0/24`, weight: 10 })],
    })),
  'host leaves': (map) => ({ ...next(map), hosts: map.hosts.slice(0, -1) }),
};

type HostRecord = NetworkMap['hosts'][number];

const next = (map: NetworkMap): NetworkMap => ({ ...map, revision: map.revision + 1 });

function editOne(map: NetworkMap, index: number, edit: (host: HostRecord) => HostRecord): NetworkMap {
  return { ...next(map), hosts: map.hosts.map((host, i) => (i === index ? edit(host) : host)) };
}

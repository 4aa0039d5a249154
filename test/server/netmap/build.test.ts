import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { deltaSchema, diff, patch } from '../../../shared/delta.ts';
import type { HostId, HostName } from '../../../shared/names.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { parseEndpoint } from '../../../shared/net/endpoint.ts';
import { natSchema, networkMapSchema } from '../../../shared/network-map.ts';
import { parseDomainName } from '../../../shared/workload.ts';
import type { PublicKey } from '../../../shared/wireguard.ts';
import { type MapRow, buildDelta, buildMap, buildRecord, writeRecord } from '../../../server/netmap/build.ts';
import { workload } from '../workloads/support.ts';

const epoch = 'eabcdefghijklmnop';
const mesh = {
  overlayPools: [parseCidr('10.86.0.0/16')],
  containerPools: [parseCidr('10.210.0.0/16')],
  mtu: 1420,
  keepaliveSeconds: 25,
  domain: parseDomainName('warren.internal'),
  publications: [],
  segments: [],
};

function row(n: number, fields: Partial<MapRow> = {}): MapRow {
  const id = `h${'abcdefghij'[n] ?? 'z'}aaaaaaaaaaaaaaa` as HostId;
  return {
    id,
    name: `host-${n}` as HostName,
    state: 'active',
    publicKey: Buffer.alloc(32, n + 9).toString('base64') as PublicKey,
    endpoints: { declared: [], mapped: [], observed: [parseEndpoint(`192.0.2.${n + 1}:51820`)], local: [] },
    nat: 'unknown',
    isRelay: false,
    tlsPort: null,
    isGone: false,
    workloads: '[]',
    leases: [
      { kind: 'container', family: 6, prefix: parseCidr(`fd00:0:0:${n + 1}::/64`) },
      { kind: 'container', family: 4, prefix: parseCidr(`10.210.${n}.0/24`) },
      { kind: 'overlay', family: 6, prefix: parseCidr(`fd01::${n + 1}/128`) },
      { kind: 'overlay', family: 4, prefix: parseCidr(`10.86.0.${n + 1}/32`) },
    ],
    subnets: [],
    ...fields,
  };
}

const anyRow = (n: number): fc.Arbitrary<MapRow> =>
  fc
    .record({
      state: fc.constantFrom('active', 'active', 'active', 'disabled', 'pending', 'registered'),
      isGone: fc.boolean(),
      nat: fc.constantFrom(...natSchema.options),
      isRelay: fc.boolean(),
      tlsPort: fc.option(fc.integer({ min: 1, max: 65535 })),
      weight: fc.nat(9),
      hasKey: fc.nat(9),
      workloads: fc.array(fc.nat(200).map((last) => workload(`w${last}`, [`10.210.${n}.${last}`]))),
    })
    .map(({ state, isGone, nat, isRelay, tlsPort, weight, hasKey, workloads }) =>
      row(n, {
        state,
        isGone,
        nat,
        isRelay,
        tlsPort,
        workloads: JSON.stringify(workloads),
        subnets: [{ prefix: parseCidr('192.168.7.0/24'), weight }],
        ...(hasKey === 0 ? { publicKey: null } : {}),
      }),
    );

const anyRows = fc.tuple(...Array.from({ length: 6 }, (_, n) => fc.option(anyRow(n), { nil: undefined })));

test('a record has IPv4 before IPv6 and subnets in order of prefix', () => {
  const subnets = [
    { prefix: parseCidr('192.168.9.0/24'), weight: 1 },
    { prefix: parseCidr('192.168.7.0/24'), weight: 10 },
  ];
  const record = buildRecord(row(0, { subnets }));
  assert.deepEqual(record?.addresses, ['10.86.0.1', 'fd01::1']);
  assert.deepEqual(record?.leases, ['10.210.0.0/24', 'fd00:0:0:1::/64']);
  assert.deepEqual(
    record?.subnets.map(({ prefix }) => prefix),
    ['192.168.7.0/24', '192.168.9.0/24'],
  );
});

test('a host that is not active, has no key or no address is in no map', () => {
  for (const fields of [{ state: 'pending' as const }, { publicKey: null }, { leases: [] }]) {
    assert.equal(buildRecord(row(0, fields)), undefined);
  }
});

test('maps are ordered by id, keys stand in schema order and the schema accepts them', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5].map((n) => row(n))), (rows) => {
      const map = buildMap({ epoch, revision: 3, mesh }, rows);
      assert.equal(JSON.stringify(networkMapSchema.parse(map)), JSON.stringify(map));
      assert.deepEqual(
        map.hosts.map(({ id }) => id),
        rows.map(({ id }) => id).sort(),
      );
    }),
  );
});

test('a record that is written is the record that is built, to the byte', () => {
  fc.assert(
    fc.property(anyRow(1), (one) => {
      const record = buildRecord(one);
      assert.equal(writeRecord(one), record === undefined ? undefined : JSON.stringify(record));
    }),
  );
});

test('a delta of the changed rows leads from one map to the next', () => {
  fc.assert(
    fc.property(anyRows, anyRows, (before, after) => {
      const rowsBefore = before.filter((one) => one !== undefined);
      const rowsAfter = after.filter((one) => one !== undefined);
      const a = buildMap({ epoch, revision: 3, mesh }, rowsBefore);
      const b = buildMap({ epoch, revision: 5, mesh }, rowsAfter);
      const left = rowsBefore.map(({ id }) => id).filter((id) => !rowsAfter.some((one) => one.id === id));
      const delta = buildDelta({ epoch, from: 3, revision: 5, rows: rowsAfter, left, mesh: undefined });
      assert.deepEqual(deltaSchema.parse(delta), delta);
      assert.deepEqual(patch(a, delta), b);
      assert.deepEqual(patch(a, diff(a, b)), b);
    }),
  );
});

test('a host that left and came back is told as present', () => {
  const back = row(1);
  const delta = buildDelta({ epoch, from: 1, revision: 2, rows: [back], left: [back.id], mesh });
  assert.deepEqual([delta.upserts.length, delta.removes, delta.mesh], [1, [], mesh]);
});

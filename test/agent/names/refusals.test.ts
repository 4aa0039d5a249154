import assert from 'node:assert/strict';
import { test } from 'node:test';
import packet from 'dns-packet';
import fc from 'fast-check';
import { type Outcome, addressesIn, answer, failure } from '../../../agent/names/answer.ts';
import { buildZone } from '../../../agent/names/zone.ts';
import type { HostId } from '../../../shared/names.ts';
import { workloadSchema } from '../../../shared/workload.ts';
import { hostId, meshOf } from '../../support/mesh-map.ts';

const web = workloadSchema.parse({
  name: 'web',
  services: [],
  addresses: ['10.210.2.5', 'fd00:86:0:12::5'],
  ports: [{ port: 80, protocol: 'tcp' }],
  segment: null,
  isHealthy: true,
  variables: [],
});
const map = meshOf(3);
const zone = buildZone({
  map: { ...map, hosts: map.hosts.map((host, i) => (i === 1 ? { ...host, workloads: [web] } : host)) },
  selfId: hostId(1) as HostId,
  own: [],
});

/** A question byte by byte, so that it may be one that no library writes. */
function question(labels: readonly Uint8Array[], type: number): Buffer {
  const name = labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  const head = Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...name, Buffer.from([0, type >> 8, type & 255, 0, 1])]);
}
const text = (name: string): Buffer[] => name.split('.').map((label) => Buffer.from(label, 'latin1'));
const ask = (labels: readonly Uint8Array[], type = 1, isTcp = false): Outcome =>
  answer(question(labels, type), zone, { isTcp, random: () => 0.3 });
const code = (outcome: Outcome): number | string =>
  outcome.kind === 'reply' ? (outcome.bytes[3] ?? 0) & 0xf : outcome.kind;

test('names below addresses of the mesh and parts of them are answered here and asked of nobody', () => {
  const rcodes = [
    ['2.210.10.in-addr.arpa', 0],
    ['210.10.in-addr.arpa', 0],
    ['lb._dns-sd._udp.0.2.210.10.in-addr.arpa', 3],
    ['x.5.2.210.10.in-addr.arpa', 3],
    ['010.2.210.10.in-addr.arpa', 3],
    ['8.0.6.8.0.0.0.0.d.f.ip6.arpa', 'forward'],
    ['0.0.0.0.0.0.0.0.6.8.0.0.0.0.d.f.ip6.arpa', 0],
    ['10.in-addr.arpa', 'forward'],
    ['in-addr.arpa', 'forward'],
    ['2.168.192.in-addr.arpa', 'forward'],
  ] as const;
  for (const [name, expected] of rcodes) assert.equal(code(ask(text(name), 12)), expected, name);
});

test('a name of the mesh that is not text is a malformed question, of another domain it is passed on as it is', () => {
  const raw = Buffer.alloc(60, 0xff);
  assert.equal(code(ask([raw, raw, raw, ...text('warren.internal')])), 1);
  assert.equal(code(ask([raw, ...text('example.org')])), 'forward');
  // One label that holds a dot is not two.
  assert.equal(code(ask([Buffer.from('web.host-2'), ...text('warren.internal')])), 1);
  // The Kelvin sign is not the letter k.
  assert.equal(code(ask([Buffer.from('\u212a'), ...text('warren.internal')])), 3);
});

test('an answer fits, repeats the question byte by byte and carries its number, whatever the labels are', () => {
  const label = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 63 }),
    fc.constantFrom(...text('web.host-2.wEb._tcp')),
  );
  const labels = fc.array(label, { minLength: 0, maxLength: 4 });
  const suffix = fc.constantFrom(
    ...['warren.internal', 'WARREN.internal', '2.210.10.in-addr.arpa', 'example.org'].map(text),
  );
  const types = fc.constantFrom(1, 12, 28, 33, 65, 255);
  fc.assert(
    fc.property(labels, suffix, types, fc.boolean(), (head, tail, type, isTcp) => {
      const query = question([...head, ...tail], type);
      if (query.length > 12 + 255 + 4) return;
      const outcome = ask([...head, ...tail], type, isTcp);
      const replies = outcome.kind === 'reply' ? [outcome.bytes] : [failure(query, 'servfail')];
      for (const bytes of replies) {
        assert.ok(bytes.length <= 512);
        assert.deepEqual(bytes.subarray(0, 2), query.subarray(0, 2));
        if (bytes.length > 12) assert.deepEqual(bytes.subarray(12, query.length), query.subarray(12));
      }
    }),
    { numRuns: 2000 },
  );
});

test('the longest name in the longest domain is still answered within 512 bytes', () => {
  const domain = `${'d'.repeat(63)}.${'e'.repeat(60)}.io`;
  const far = buildZone({
    map: { ...map, mesh: { ...map.mesh, domain: domain as typeof map.mesh.domain } },
    selfId: hostId(1) as HostId,
    own: [],
  });
  const query = question(text(`${'a'.repeat(63)}.${'b'.repeat(60)}.${domain}`), 1);
  const outcome = answer(query, far, { isTcp: false, random: () => 0 });
  assert.ok(outcome.kind === 'reply' && outcome.bytes.length <= 512);
});

test('anything is one kind of what there is', () => {
  const outcome = ask(text('web.host-2.warren.internal'), 255);
  assert.ok(outcome.kind === 'reply');
  assert.deepEqual(
    (packet.decode(outcome.bytes).answers ?? []).map(({ type }) => type),
    ['A'],
  );
});

test('addresses of the mesh are found in what others answer', () => {
  const reply = packet.encode({
    type: 'response',
    questions: [{ type: 'A', name: 'rebind.example' }],
    answers: [
      { type: 'CNAME', name: 'rebind.example', data: 'a.example' },
      { type: 'A', name: 'a.example', data: '10.210.2.5' },
    ],
  });
  assert.equal(
    addressesIn(reply).some((address) => zone.isInside(address)),
    true,
  );
  assert.deepEqual(addressesIn(Buffer.from([1, 2, 3])), []);
});

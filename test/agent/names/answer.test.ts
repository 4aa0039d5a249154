import assert from 'node:assert/strict';
import { test } from 'node:test';
import packet, { type DecodedPacket } from 'dns-packet';
import fc from 'fast-check';
import { answer, udpBytes } from '../../../agent/names/answer.ts';
import { addressOfReverse, buildZone } from '../../../agent/names/zone.ts';
import type { HostId } from '../../../shared/names.ts';
import { formatAddress } from '../../../shared/net/address.ts';
import { type Workload, workloadSchema } from '../../../shared/workload.ts';
import { hostId, meshOf } from '../../support/mesh-map.ts';

const open = { services: [], ports: [], segment: null, isHealthy: true, variables: [] };
const workload = (fields: object): Workload => workloadSchema.parse({ ...open, ...fields });

function zoneOf(byHost: Readonly<Record<number, Workload[]>>, own: Workload[] = []) {
  const map = meshOf(3);
  const hosts = map.hosts.map((host, i) => ({ ...host, workloads: byHost[i + 1] ?? [] }));
  return buildZone({ map: { ...map, hosts }, selfId: hostId(1) as HostId, own });
}

const web = [
  workload({
    name: 'web_1',
    services: ['web'],
    addresses: ['10.210.2.5', 'fd00:86:0:12::5'],
    ports: [{ port: 80, protocol: 'tcp' }],
  }),
  workload({ name: 'web_2', services: ['web'], addresses: ['10.210.2.6'], ports: [{ port: 80, protocol: 'tcp' }] }),
  workload({ name: 'web_3', services: ['web'], addresses: ['10.210.2.7'], isHealthy: false }),
];
const zone = zoneOf({
  2: web,
  3: [workload({ name: 'thief', services: ['host-2', 'web'], addresses: ['10.210.2.200'] })],
});

interface Asked {
  readonly rcode: string;
  readonly reply: DecodedPacket;
  readonly data: unknown[];
}

function ask(
  name: string,
  type: string,
  options: { isTcp?: boolean; udp?: number } = {},
  from = zone,
): Asked | 'forward' | 'drop' {
  const query = packet.encode({
    type: 'query',
    id: 7,
    flags: packet.RECURSION_DESIRED,
    questions: [{ name, type: type as 'A' }],
    additionals:
      options.udp === undefined
        ? []
        : [
            {
              type: 'OPT',
              name: '.',
              udpPayloadSize: options.udp,
              extendedRcode: 0,
              ednsVersion: 0,
              flags: 0,
              flag_do: false,
              options: [],
            },
          ],
  });
  const outcome = answer(query, from, { isTcp: options.isTcp ?? false, random: () => 0.3 });
  if (outcome.kind !== 'reply') return outcome.kind;
  const reply = packet.decode(outcome.bytes);
  const data = (reply.answers ?? []).map((one) => ('data' in one ? one.data : undefined));
  return { reply, rcode: (reply as unknown as { rcode: string }).rcode, data };
}

function answered(asked: ReturnType<typeof ask>): Asked {
  assert.ok(typeof asked === 'object', 'it was not answered here');
  return asked;
}

test('a service answers with its healthy instances by each family, and with nobody who only claims to be one', () => {
  assert.deepEqual(answered(ask('web.warren.internal', 'A')).data.map(String).sort(), ['10.210.2.5', '10.210.2.6']);
  assert.deepEqual(answered(ask('web.warren.internal', 'AAAA')).data, ['fd00:86:0:12::5']);
  assert.deepEqual(answered(ask('web', 'A')).data.map(String).sort(), ['10.210.2.5', '10.210.2.6']);
});

test('one instance answers by its own name, also while it is not healthy', () => {
  assert.deepEqual(answered(ask('web_3.host-2.warren.internal', 'A')).data, ['10.210.2.7']);
});

test("a host's name is the host's, whatever services are called", () => {
  const { data } = answered(ask('host-2.warren.internal', 'A'));
  assert.deepEqual(data, ['10.86.0.2']);
});

test('what this host has is known before the server knows it', () => {
  const own = workload({ name: 'mine', addresses: ['10.210.1.9'] });
  assert.deepEqual(answered(ask('mine.host-1.warren.internal', 'A', {}, zoneOf({}, [own]))).data, ['10.210.1.9']);
});

test('addresses have names, and those of the mesh are never asked of anybody else', () => {
  assert.deepEqual(answered(ask('5.2.210.10.in-addr.arpa', 'PTR')).data, ['web_1.host-2.warren.internal']);
  assert.equal(answered(ask('99.2.210.10.in-addr.arpa', 'PTR')).rcode, 'NXDOMAIN');
  assert.equal(ask('8.8.8.8.in-addr.arpa', 'PTR'), 'forward');
});

test('SRV names the instances with their ports', () => {
  const { data } = answered(ask('_web._tcp.warren.internal', 'SRV'));
  assert.deepEqual(
    data
      .map((one) => [(one as { target: string }).target, (one as { port: number }).port])
      .sort((a, b) => String(a).localeCompare(String(b))),
    [
      ['web_1.host-2.warren.internal', 80],
      ['web_2.host-2.warren.internal', 80],
    ],
  );
  assert.equal(answered(ask('_80._tcp.web.warren.internal', 'SRV')).data.length, 2);
});

test('an unknown name is NXDOMAIN with an SOA, a known one of another type is empty, a name above a name exists', () => {
  const unknown = answered(ask('nobody.warren.internal', 'A'));
  assert.equal(unknown.rcode, 'NXDOMAIN');
  assert.equal(unknown.reply.authorities?.[0]?.type, 'SOA');
  const empty = answered(ask('web.warren.internal', 'MX'));
  assert.deepEqual([empty.rcode, empty.data.length], ['NOERROR', 0]);
  assert.equal(answered(ask('_tcp.warren.internal', 'A')).rcode, 'NOERROR');
});

test('other domains, and single labels that the mesh does not have, are for the servers of the host', () => {
  for (const name of ['example.org', 'warren.internal.example.org', 'xwarren.internal', 'printer']) {
    assert.equal(ask(name, 'A'), 'forward', name);
  }
});

test('letter case is kept in the answer and makes no difference to it', () => {
  const { reply, data } = answered(ask('wEb.WARREN.internal', 'A'));
  assert.equal(data.length, 2);
  assert.deepEqual(
    [reply.questions?.[0]?.name, reply.answers?.[0]?.name],
    ['wEb.WARREN.internal', 'wEb.WARREN.internal'],
  );
});

test('an answer that does not fit says so over UDP and comes whole over TCP', () => {
  const many = Array.from({ length: 200 }, (_, i) =>
    workload({ name: `c${i}`, services: ['big'], addresses: [`10.210.2.${i + 2}`] }),
  );
  const big = zoneOf({ 2: many });
  const cut = answered(ask('big.warren.internal', 'A', {}, big));
  assert.equal(cut.data.length, 0);
  assert.equal((cut.reply.flags ?? 0) & packet.TRUNCATED_RESPONSE, packet.TRUNCATED_RESPONSE);
  assert.equal(answered(ask('big.warren.internal', 'A', { udp: 4096 }, big)).data.length, 0);
  assert.equal(answered(ask('big.warren.internal', 'A', { isTcp: true }, big)).data.length, 200);
  const some = zoneOf({ 2: many.slice(0, 25) });
  assert.equal(answered(ask('big.warren.internal', 'A', { udp: 4096 }, some)).data.length, 25);
});

test('whatever comes in, what goes out is an answer to it of a bounded size, or nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (bytes, isTcp) => {
      const outcome = answer(Buffer.from(bytes), zone, { isTcp, random: () => 0 });
      if (outcome.kind !== 'reply') return;
      assert.ok(outcome.bytes.length <= (isTcp ? 65_535 : udpBytes));
      assert.deepEqual([...outcome.bytes.subarray(0, 2)], [...bytes.subarray(0, 2)]);
      assert.equal((outcome.bytes[2] ?? 0) & 0x80, 0x80);
    }),
    { numRuns: 2000 },
  );
});

test('every address is found again by its reverse name', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }), (value) => {
      const address = formatAddress({ family: 4, value });
      assert.equal(addressOfReverse(`${address.split('.').toReversed().join('.')}.in-addr.arpa`), address);
    }),
  );
  const v6 = formatAddress({ family: 6, value: 0xfd000086000000120000000000000005n });
  const nibbles = 'fd000086000000120000000000000005'.split('').toReversed().join('.');
  assert.equal(addressOfReverse(`${nibbles}.ip6.arpa`), v6);
});

test('what programs look up by themselves is nobody’s to answer', () => {
  const taken = zoneOf({
    2: [workload({ name: 'wpad', services: ['isatap', 'localhost', 'web'], addresses: ['10.210.2.5'] })],
  });
  for (const name of ['wpad', 'isatap', 'localhost', 'wpad.host-2', '_wpad._tcp', '_isatap._tcp']) {
    assert.equal(taken.find(`${name}.warren.internal`), undefined, name);
  }
  assert.deepEqual(taken.find('web.warren.internal')?.addresses, ['10.210.2.5']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { disableHost, enableHost, removeHost, updateHost, showHost } from '../../../shared/api/hosts.ts';
import { createHostSubnet, listHostSubnets, updateSubnet } from '../../../shared/api/subnets.ts';
import { listWorkloads } from '../../../shared/api/workloads.ts';
import { mostWorkloadChars } from '../../../shared/own-workloads.ts';
import { parseHostName } from '../../../shared/names.ts';
import { type Cidr, addressAt, parseCidr } from '../../../shared/net/cidr.ts';
import type { Workload } from '../../../shared/workload.ts';
import { readMap } from '../../../server/feed/frames.ts';
import { type TestAgent, type TestServer, enrollAgent, startServer } from '../routes/support.ts';
import { workload } from './support.ts';

const mapOf = ({ deps }: TestServer) => readMap(deps.store);
const toldOf = async (server: TestServer, { id }: TestAgent): Promise<readonly Workload[]> =>
  (await mapOf(server)).hosts.find((host) => host.id === id)?.workloads ?? [];
const namesOf = async (server: TestServer, agent: TestAgent) => (await toldOf(server, agent)).map(({ name }) => name);
const leaseOf = async (server: TestServer, { id }: TestAgent, index = 0): Promise<Cidr> =>
  (await server.admin(showHost, { params: { id } })).leases[index] ?? assert.fail('no lease');
const inLease = async (server: TestServer, agent: TestAgent, offset = 2n) =>
  addressAt(await leaseOf(server, agent), offset);

test('workloads reach the map in order of their names, and the same again makes no revision', async (t) => {
  const server = await startServer(t);
  const a = await enrollAgent(server, 'a');
  await a.report();
  const before = server.deps.store.position().revision;
  const workloads = [workload('web', [await inLease(server, a, 2n)]), workload('db', [await inLease(server, a, 3n)])];
  const { revision } = await a.report({ workloads });
  assert.equal(revision, before + 1);
  assert.deepEqual(await namesOf(server, a), ['db', 'web']);
  assert.equal((await a.report({ workloads })).revision, revision);
  assert.equal((await a.report({ workloads: workloads.toReversed() })).revision, revision);
  assert.equal((await a.report({ workloads: [] })).revision, revision + 1);
  assert.deepEqual(await toldOf(server, a), []);
});

test('one whose health changed is a revision, and no new version of the host for those who change it', async (t) => {
  const server = await startServer(t);
  const a = await enrollAgent(server, 'a');
  const address = await inLease(server, a);
  const { revision } = await a.report({ workloads: [workload('web', [address])] });
  const { version } = await server.admin(showHost, { params: { id: a.id } });
  assert.equal(
    (await a.report({ workloads: [workload('web', [address], { isHealthy: false })] })).revision,
    revision + 1,
  );
  assert.equal((await toldOf(server, a))[0]?.isHealthy, false);
  const renamed = { params: { id: a.id }, body: { name: parseHostName('b') }, ifMatch: version };
  assert.equal((await server.admin(updateHost, renamed)).name, 'b');
});

test('a name on an address that is not the host’s is left out, the others stay', async (t) => {
  const server = await startServer(t, { url: 'https://192.0.2.1:8443' });
  const [a, b] = [await enrollAgent(server, 'a'), await enrollAgent(server, 'b')];
  const ofB = await server.admin(showHost, { params: { id: b.id } });
  const own = await inLease(server, a);
  const ownLease = await leaseOf(server, a);
  const foreign: Record<string, string> = {
    'lease-of-b': await inLease(server, b),
    'v6-lease-of-b': addressAt(await leaseOf(server, b, 1), 2n),
    'overlay-of-b': ofB.addresses[0] ?? '',
    'of-no-host': '10.210.200.7',
    'overlay-pool': '10.86.200.7',
    server: '192.0.2.1',
    loopback: '127.0.0.1',
    metadata: '169.254.169.254',
    internet: '8.8.8.8',
    // One bit off the lease on either side.
    before: `10.210.${Number(ownLease.split('.')[2]) - 1}.255`,
    after: `10.210.${Number(ownLease.split('.')[2]) + 1}.0`,
  };
  const claims = Object.entries(foreign).flatMap(([name, address]) => [
    workload(name, [address]),
    workload(`${name}-and-own`, [own, address]),
  ]);
  await a.report({ workloads: [...claims, workload('mine', [own]), workload('bridged', [])] });
  assert.deepEqual(await namesOf(server, a), ['bridged', 'mine']);
  assert.deepEqual(await toldOf(server, b), []);
});

test('a host may name its overlay address, every address of its leases, and what an operator approved', async (t) => {
  const server = await startServer(t);
  const a = await enrollAgent(server, 'a');
  const { addresses } = await server.admin(showHost, { params: { id: a.id } });
  const lease = await leaseOf(server, a);
  const lan = parseCidr('192.168.7.0/24');
  const workloads = [
    workload('lan', ['192.168.7.9']),
    workload('last', [addressAt(lease, 255n)]),
    workload('self', [...addresses]),
    workload('v6', [addressAt(await leaseOf(server, a, 1), 7n)]),
  ];
  await a.report({ workloads });
  assert.deepEqual(await namesOf(server, a), ['last', 'self', 'v6']);
  const subnet = await server.admin(createHostSubnet, { params: { id: a.id }, body: { prefix: lan } });
  await a.report({ workloads });
  assert.deepEqual(await namesOf(server, a), ['lan', 'last', 'self', 'v6']);
  await server.admin(updateSubnet, { params: { id: subnet.id }, body: { state: 'rejected' } });
  assert.deepEqual(await namesOf(server, a), ['last', 'self', 'v6'], 'gone with the subnet, before any report');
  await a.report({ workloads });
  assert.deepEqual(await namesOf(server, a), ['last', 'self', 'v6']);
});

test('of two workloads with one name the first counts; the same name on another host is its own', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await enrollAgent(server, 'a'), await enrollAgent(server, 'b')];
  const [first, second] = [await inLease(server, a, 2n), await inLease(server, a, 3n)];
  await a.report({ workloads: [workload('web', [first]), workload('web', [second])] });
  assert.deepEqual(await toldOf(server, a), [workload('web', [first])]);
  const foreign = workload('web', [await inLease(server, b)]);
  await a.report({ workloads: [foreign, workload('web', [second])] });
  assert.deepEqual(await toldOf(server, a), [workload('web', [second])], 'a foreign one takes no name');
  await b.report({ workloads: [foreign] });
  assert.deepEqual(await toldOf(server, b), [foreign]);
});

test('1024 workloads of one host are taken, one more is refused as a whole', async (t) => {
  const server = await startServer(t);
  const a = await enrollAgent(server, 'a');
  const address = await inLease(server, a);
  const many = Array.from({ length: 1025 }, (_, n) => workload(`app-${n}`, [address]));
  await assert.rejects(a.report({ workloads: many }), { code: 'request-invalid', field: 'body/workloads' });
  assert.deepEqual(await toldOf(server, a), []);
  await a.report({ workloads: many.slice(1) });
  assert.equal((await toldOf(server, a)).length, 1024);
});

test('what one host puts into everybody’s map is bounded', async (t) => {
  const server = await startServer(t);
  const a = await enrollAgent(server, 'a');
  const variables = Array.from({ length: 32 }, (_, n) => ({ name: `V${n}`, value: 'x'.repeat(1024) }));
  const address = await inLease(server, a);
  const heavy = Array.from({ length: 26 }, (_, n) => ({ ...workload(`app-${n}`, [address]), variables }));
  const { revision } = await a.report({ workloads: heavy });
  const told = await toldOf(server, a);
  assert.ok(told.length > 10 && told.length < 26, String(told.length));
  assert.ok(JSON.stringify(told).length <= mostWorkloadChars + 2);
  assert.equal((await a.report({ workloads: heavy })).revision, revision, 'what is left out is no change');
});

test('names, segments and variables outside their grammars are refused with the field', async (t) => {
  const server = await startServer(t);
  const a = await enrollAgent(server, 'a');
  const good = workload('web', [await inLease(server, a)]);
  for (const [field, wrong] of Object.entries({
    'workloads/0/name': { name: 'web\n[Peer]' },
    'workloads/0/services/0': { services: ['-o ProxyCommand=x'] },
    'workloads/0/addresses/0': { addresses: ['010.210.1.2'] },
    'workloads/0/segment': { segment: 'a"; flush ruleset; add table inet pwn #' },
    'workloads/0/variables/0/name': { variables: [{ name: 'A;B', value: '' }] },
    'workloads/0/variables/0/value': { variables: [{ name: 'A', value: 'x\ny' }] },
    'workloads/0/ports/0/port': { ports: [{ port: 0, protocol: 'tcp' }] },
  })) {
    const asked = a.report({ workloads: [{ ...good, ...wrong } as never] });
    await assert.rejects(asked, { code: 'request-invalid', field: `body/${field}` }, field);
  }
});

test('a host that is disabled or removed takes its workloads from the map; enabled again it begins with none', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await enrollAgent(server, 'a'), await enrollAgent(server, 'b')];
  const ofA = [workload('web', [await inLease(server, a)])];
  const ofB = [workload('web', [await inLease(server, b)])];
  await a.report({ workloads: ofA });
  await b.report({ workloads: ofB });
  const all = async () => (await mapOf(server)).hosts.flatMap(({ workloads }) => workloads);
  assert.equal((await all()).length, 2);
  await server.admin(disableHost, { params: { id: a.id } });
  assert.deepEqual(await all(), ofB);
  await assert.rejects(a.report({ workloads: ofA }), { code: 'host-disabled' });
  await server.admin(enableHost, { params: { id: a.id } });
  assert.deepEqual(await toldOf(server, a), []);
  await a.report({ workloads: ofA });
  assert.deepEqual(await toldOf(server, a), ofA);
  await server.admin(removeHost, { params: { id: b.id } });
  assert.deepEqual(await all(), ofA);
});

test('workloads are listed by host and name, filtered by service, host and segment, page by page', async (t) => {
  const server = await startServer(t);
  const [a, b] = [await enrollAgent(server, 'a'), await enrollAgent(server, 'b')];
  for (const agent of [a, b]) {
    await agent.report({
      workloads: ['one', 'two', 'three', 'four', 'five'].map((name) =>
        workload(name, [], { services: ['web', name], ...(name === 'two' && { segment: 'blue' }) }),
      ),
    });
  }
  const list = async (query: object) => (await server.admin(listWorkloads, { query })).items;
  assert.equal((await list({})).length, 10);
  assert.equal((await list({ service: 'web', host: a.id })).length, 5);
  assert.deepEqual((await list({ service: 'two' })).map(({ hostName, segment }) => `${hostName} ${segment}`).sort(), [
    'a blue',
    'b blue',
  ]);
  assert.equal((await list({ segment: 'blue', host: b.id })).length, 1);
  assert.deepEqual(await list({ service: 'nothing' }), []);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await server.admin(listWorkloads, { query: { limit: 3, ...(cursor && { cursor }) } });
    seen.push(...page.items.map(({ hostId, name }) => `${hostId} ${name}`));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  assert.equal(seen.length, 10);
  assert.deepEqual(seen, [...new Set(seen)].sort());
});

test('prefixes a report wishes for wait for an operator, once; refused ones are left out; a no is final', async (t) => {
  const server = await startServer(t);
  const a = await enrollAgent(server, 'a');
  const wish = (...prefixes: string[]) => prefixes.map((prefix) => ({ prefix: parseCidr(prefix), weight: 10 }));
  const subnets = async () =>
    (await server.admin(listHostSubnets, { params: { id: a.id } })).items.map(({ prefix, state }) => [prefix, state]);
  const advertise = wish('172.30.0.0/16', '172.30.0.0/16', '10.210.9.0/24', '0.0.0.0/0', '169.254.0.0/16');
  const { revision } = await a.report({ advertise });
  assert.deepEqual(await subnets(), [['172.30.0.0/16', 'pending']]);
  assert.equal((await a.report({ advertise })).revision, revision);
  assert.deepEqual((await mapOf(server)).hosts[0]?.subnets, []);
  const { items } = await server.admin(listHostSubnets, { params: { id: a.id } });
  await server.admin(updateSubnet, { params: { id: items[0]?.id ?? '' }, body: { state: 'rejected' } });
  const rejectedAt = server.deps.store.position().revision;
  assert.equal((await a.report({ advertise })).revision, rejectedAt);
  assert.deepEqual(await subnets(), [['172.30.0.0/16', 'rejected']]);
  await a.report({ advertise: wish('172.31.0.0/16') });
  assert.deepEqual(await subnets(), [
    ['172.30.0.0/16', 'rejected'],
    ['172.31.0.0/16', 'pending'],
  ]);
});

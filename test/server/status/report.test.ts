import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listHosts, showHost, updateHost } from '../../../shared/api/hosts.ts';
import { showMesh, showStatus } from '../../../shared/api/status.ts';
import { parseHostId } from '../../../shared/names.ts';
import { parseEndpoint } from '../../../shared/net/endpoint.ts';
import { parseLabel } from '../../../shared/workload.ts';
import { buildRecord } from '../../../server/netmap/build.ts';
import { readActiveRows } from '../../../server/store/map-rows.ts';
import { enrollAgent, startServer } from '../routes/support.ts';

const endpoint = parseEndpoint('192.0.2.7:51820');

test('new endpoints make a revision, the same ones again do not', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const before = await web.report();
  const changed = await web.report({ localEndpoints: [endpoint] });
  assert.equal(changed.revision, before.revision + 1);
  assert.equal((await web.report({ localEndpoints: [endpoint] })).revision, changed.revision);
  const host = await server.admin(showHost, { params: { id: web.id } });
  assert.deepEqual(host.endpoints, [endpoint]);
});

const mapped = (port: number) => parseEndpoint(`198.51.100.7:${port}`);

test('mapped endpoints come after declared ones and before the LAN, which hosts behind the same NAT still need', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const declaredEndpoints = [parseEndpoint('203.0.113.5:51820')];
  const localEndpoints = [parseEndpoint('192.168.1.7:51820')];
  const mappedEndpoints = [mapped(61000), parseEndpoint('10.86.0.9:51820')];
  const said = { declaredEndpoints, localEndpoints, mappedEndpoints };
  const shown = async () => (await server.admin(showHost, { params: { id: web.id } })).endpoints;
  const { revision } = await web.report({ ...said, nat: 'easy' });
  assert.deepEqual(await shown(), [...declaredEndpoints, mapped(61000), ...localEndpoints], 'none inside the mesh');
  assert.equal((await web.report({ ...said, nat: 'symmetric' })).revision, revision + 1);
  assert.deepEqual(await shown(), [...declaredEndpoints, ...localEndpoints]);
  const others = { ...said, mappedEndpoints: [mapped(61001)], nat: 'symmetric' as const };
  assert.equal((await web.report(others)).revision, revision + 1, 'what is not told makes no revision');
  const { items } = await server.admin(showStatus, {});
  assert.deepEqual([items[0]?.nat, items[0]?.isRelay], ['symmetric', false]);
});

test('the kind of NAT alone makes a revision, once', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const { revision } = await web.report();
  assert.equal((await web.report({ nat: 'easy' })).revision, revision + 1);
  assert.equal((await web.report({ nat: 'easy' })).revision, revision + 1);
});

test('where a host would relay over TLS is told to the others once an operator made it a relay', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  await web.report({ tlsPort: 443 });
  const told = async () => {
    const [row] = await readActiveRows(server.deps.store.db, '', 10);
    return row && buildRecord(row);
  };
  assert.ok(!('tlsPort' in ((await told()) ?? assert.fail('no host'))), 'an older agent would refuse the field');
  await server.admin(updateHost, { params: { id: web.id }, body: { isRelay: true } });
  assert.equal((await told())?.tlsPort, 443);
  const { revision } = await web.report({ tlsPort: 443 });
  assert.equal((await web.report()).revision, revision + 1, 'it listens no more');
  assert.equal((await told())?.tlsPort, undefined);
});

test('a host whose endpoints flap is held back, its workloads are not, and at last it is told what is true', async (t) => {
  const server = await startServer(t);
  const [web, db] = [await enrollAgent(server, 'web-1'), await enrollAgent(server, 'db-1')];
  const { revision } = await web.report();
  for (let port = 1; port <= 40; port += 1) await web.report({ mappedEndpoints: [mapped(port)], nat: 'easy' });
  const held = server.deps.store.position().revision;
  assert.equal(held, revision + 5);
  await db.report({ mappedEndpoints: [mapped(7)], nat: 'easy' });
  assert.equal(server.deps.store.position().revision, held + 1, 'others are not held back with it');
  const [address] = (await server.admin(showHost, { params: { id: web.id } })).addresses;
  const workload = {
    name: parseLabel('one'),
    services: [],
    addresses: [address ?? assert.fail('no address')],
    ports: [],
    segment: null,
    isHealthy: true,
    variables: [],
  };
  const last = { mappedEndpoints: [mapped(999)], nat: 'easy' as const, workloads: [workload] };
  assert.equal((await web.report(last)).revision, held + 2, 'the workload');
  const shown = async () => (await server.admin(showHost, { params: { id: web.id } })).endpoints;
  assert.deepEqual(await shown(), [mapped(5)]);
  server.later(10_000);
  await web.report(last);
  assert.deepEqual(await shown(), [mapped(999)]);
});

test('what nobody else must know makes no revision and no record, and shows in status', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const { epoch, revision } = await web.report();
  const at = new Date().toISOString();
  const peer = { hostId: parseHostId('haaaaaaaaaaaaaaaa'), endpoint, handshakeAt: at, rxBytes: 1, txBytes: 2 };
  const failure = { kind: 'route-add', subject: '192.0.2.0/24', why: 'it overlaps the LAN', since: at };
  const attachment = { target: 'netns:a', addresses: [], state: 'attached' as const };
  const told = { applied: { epoch, revision }, peers: [peer], failures: [failure], attachments: [attachment] };
  assert.equal((await web.report(told)).revision, revision);
  const { items } = await server.admin(showStatus, {});
  assert.deepEqual(items[0]?.peers, [peer]);
  assert.deepEqual(items[0]?.failures, [failure]);
  assert.deepEqual([items[0]?.containers, items[0]?.appliedRevision], [1, revision]);
});

test('a revision of another epoch is not shown as applied', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  await web.report({ applied: { epoch: 'eaaaaaaaaaaaaaaaa', revision: 900 } });
  assert.equal((await server.admin(listHosts, {})).items[0]?.appliedRevision, null);
});

test('a report with text where a number belongs, or with more than is declared, is refused', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  await assert.rejects(web.report({ listenPort: '51820' as unknown as number }), { code: 'request-invalid' });
  await assert.rejects(web.report({ extra: 1 } as object), { code: 'request-invalid' });
  await assert.rejects(web.report({ localEndpoints: ['example.org:1' as never] }), { code: 'request-invalid' });
});

test('the mesh is shown with its counts, settings and pin', async (t) => {
  const server = await startServer(t);
  await enrollAgent(server, 'web-1');
  await enrollAgent(server, 'web-2', { token: await server.token({ autoApprove: false }) });
  const mesh = await server.admin(showMesh, {});
  const { hosts, active, pending, disabled, registered, online, subnets } = mesh.counts;
  assert.deepEqual([hosts, active, pending, disabled, registered, online, subnets], [2, 1, 1, 0, 0, 0, 0]);
  assert.equal(mesh.settings.overlayPools[0], '10.86.0.0/16');
  assert.equal(mesh.caPin, server.deps.authority.caPin);
  assert.equal(mesh.revision, server.deps.store.position().revision);
});

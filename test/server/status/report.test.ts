import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listHosts, showHost } from '../../../shared/api/hosts.ts';
import { showMesh, showStatus } from '../../../shared/api/status.ts';
import { parseHostId } from '../../../shared/names.ts';
import { parseEndpoint } from '../../../shared/net/endpoint.ts';
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

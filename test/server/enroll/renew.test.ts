import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leaveMesh } from '../../../shared/api/enroll.ts';
import { disableHost, listHosts, rotateHost, showHost } from '../../../shared/api/hosts.ts';
import { enrollAgent, newPublicKey, startServer } from '../routes/support.ts';

const hour = 3_600_000;

test('a renewed certificate works, and the one before goes on for an hour', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const older = web.certificate;
  await web.renew();
  const newer = web.certificate;
  assert.notEqual(newer, older);
  await web.report();
  web.certificate = older;
  await web.report();
  server.later(hour + 1000);
  await assert.rejects(web.report(), { code: 'certificate-invalid' });
  web.certificate = newer;
  await web.report();
});

test('a host whose certificate expired may renew it for thirty days, and do nothing else with it', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  server.later(20 * 24 * hour);
  await assert.rejects(web.report(), { code: 'certificate-invalid' });
  await web.renew();
  await web.report();
});

test('a disabled host cannot renew', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  await server.admin(disableHost, { params: { id: web.id } });
  await assert.rejects(web.renew(), { code: 'host-disabled' });
});

test('a rotation stays due until the host renews with another key', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const show = () => server.admin(showHost, { params: { id: web.id } });
  await server.admin(rotateHost, { params: { id: web.id } });
  await web.renew();
  assert.equal((await show()).isRotationDue, true);
  const publicKey = newPublicKey();
  await web.renew(publicKey);
  assert.deepEqual([(await show()).isRotationDue, (await show()).publicKey], [false, publicKey]);
});

test('renewing with the WireGuard key of another host is refused', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const db = await enrollAgent(server, 'db-1');
  await assert.rejects(web.renew(db.publicKey), { code: 'public-key-taken' });
});

test('a host that leaves is gone with everything it held', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  await web.call(leaveMesh, {});
  assert.deepEqual((await server.admin(listHosts, {})).items, []);
  await assert.rejects(web.report(), { code: 'host-removed' });
});

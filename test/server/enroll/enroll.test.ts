import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAudit } from '../../../shared/api/audit.ts';
import { enrollHost } from '../../../shared/api/enroll.ts';
import * as hosts from '../../../shared/api/hosts.ts';
import { listSubnets, updateSubnet } from '../../../shared/api/subnets.ts';
import { listTokens, revokeToken } from '../../../shared/api/tokens.ts';
import { parseHostName } from '../../../shared/names.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { parseEndpoint } from '../../../shared/net/endpoint.ts';
import { parseToken } from '../../../shared/token.ts';
import type { PublicKey } from '../../../shared/wireguard.ts';
import { enrollAgent, enrollBody, startServer } from '../routes/support.ts';

test('a machine with a token becomes an active host with addresses, a lease and a certificate', async (t) => {
  const server = await startServer(t);
  const token = await server.token({ tags: ['web'], ephemeral: true });
  const agent = await enrollAgent(server, 'web-1', { token });
  const host = await server.admin(hosts.showHost, { params: { id: agent.id } });
  assert.equal(host.state, 'active');
  assert.deepEqual(host.tags, ['web']);
  assert.equal(host.isEphemeral, true);
  assert.equal(host.addresses[0], '10.86.0.1');
  assert.equal(host.addresses.length, 2);
  assert.match(host.leases[0] ?? '', /^10\.210\.\d+\.0\/24$/);
  assert.equal(host.leases.length, 2);
  assert.equal(host.publicKey, agent.publicKey);
  assert.ok((host.certificateExpiresAt ?? '') > new Date().toISOString());
  await agent.report();
});

test('one token with one use and fifty machines at once give exactly one host', async (t) => {
  const server = await startServer(t);
  const token = await server.token();
  const tries = Array.from({ length: 50 }, (_, i) => enrollBody(token, `web-${i}`).body);
  const results = await Promise.allSettled(tries.map((body) => server.as(undefined)(enrollHost, { body })));
  const failures = results.flatMap((result) =>
    result.status === 'rejected' ? [result.reason as { code: string }] : [],
  );
  assert.equal(results.length - failures.length, 1);
  assert.deepEqual(new Set(failures.map(({ code }) => code)), new Set(['token-invalid']));
  assert.equal((await server.admin(hosts.listHosts, {})).items.length, 1);
  assert.deepEqual(
    (await server.admin(listTokens, {})).items.map(({ state }) => state),
    ['used'],
  );
});

test('fifty machines with fifty uses get fifty different addresses and leases', async (t) => {
  const server = await startServer(t);
  const token = await server.token({ uses: 50 });
  await Promise.all(Array.from({ length: 50 }, (_, i) => enrollAgent(server, `web-${i}`, { token })));
  const { items } = await server.admin(hosts.listHosts, {});
  assert.equal(new Set(items.flatMap(({ addresses }) => addresses)).size, 100);
  assert.equal(new Set(items.flatMap(({ leases }) => leases)).size, 100);
});

test('the same machine asking again with its used token is the same host and costs no second use', async (t) => {
  const server = await startServer(t);
  const token = await server.token();
  const first = await enrollAgent(server, 'web-1', { token });
  const before = await server.admin(hosts.showHost, { params: { id: first.id } });
  const again = await enrollAgent(server, 'web-1', { token, key: first.key });
  const after = await server.admin(hosts.showHost, { params: { id: again.id } });
  assert.equal(again.id, first.id);
  assert.deepEqual([after.addresses, after.leases], [before.addresses, before.leases]);
  assert.equal(after.publicKey, again.publicKey);
  assert.equal((await server.admin(hosts.listHosts, {})).items.length, 1);
});

test('a machine that enrolls again keeps its own name unless the new one is free', async (t) => {
  const server = await startServer(t);
  const token = await server.token({ uses: 9 });
  const web = await enrollAgent(server, 'web-1', { token });
  await enrollAgent(server, 'db-1', { token });
  assert.equal((await enrollAgent(server, 'db-1', { token, key: web.key })).name, 'web-1');
  assert.equal((await enrollAgent(server, 'web-2', { token, key: web.key })).name, 'web-2');
});

test('a disabled host that enrolls again stays disabled and may do nothing', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  await server.admin(hosts.disableHost, { params: { id: web.id } });
  const again = await enrollAgent(server, 'web-1', { key: web.key });
  assert.equal(again.id, web.id);
  assert.equal(again.state, 'disabled');
  await assert.rejects(again.report(), { code: 'host-disabled' });
});

test('a removed host that enrolls again is a new one', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  await server.admin(hosts.removeHost, { params: { id: web.id } });
  await assert.rejects(web.report(), { code: 'host-removed' });
  const again = await enrollAgent(server, 'web-1', { key: web.key });
  assert.notEqual(again.id, web.id);
});

test('a name of another host is refused and the token keeps its use', async (t) => {
  const server = await startServer(t);
  await enrollAgent(server, 'web-1');
  const token = await server.token();
  await assert.rejects(enrollAgent(server, 'web-1', { token }), { code: 'name-taken' });
  await enrollAgent(server, 'web-2', { token });
});

test('a WireGuard key of another host is refused, also when it is disabled', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  await server.admin(hosts.disableHost, { params: { id: web.id } });
  const act = enrollAgent(server, 'web-2', { change: { publicKey: web.publicKey } });
  await assert.rejects(act, { code: 'public-key-taken' });
});

test('a machine takes over the host registered by its name, with the addresses kept for it', async (t) => {
  const server = await startServer(t);
  const body = { name: parseHostName('db-1'), tags: ['db'] };
  const registered = await server.admin(hosts.createHost, { body });
  assert.equal(registered.state, 'registered');
  assert.equal(registered.publicKey, null);
  const agent = await enrollAgent(server, 'db-1', { token: await server.token({ tags: ['site-a'] }) });
  const host = await server.admin(hosts.showHost, { params: { id: registered.id } });
  assert.equal(agent.id, registered.id);
  assert.deepEqual([host.state, host.tags], ['active', ['db', 'site-a']]);
  assert.deepEqual([host.addresses, host.leases], [registered.addresses, registered.leases]);
});

test('without automatic approval a host waits until somebody approves it', async (t) => {
  const server = await startServer(t);
  const agent = await enrollAgent(server, 'web-1', { token: await server.token({ autoApprove: false }) });
  assert.equal(agent.state, 'pending');
  await agent.report();
  const approved = await server.admin(hosts.approveHost, { params: { id: agent.id } });
  assert.equal(approved.state, 'active');
});

test('a token that is unknown, revoked, expired or has a wrong secret enrolls nobody', async (t) => {
  const server = await startServer(t);
  const enroll = (token: string, change: object = {}) => enrollAgent(server, 'web-1', { token, change });
  const wrong = await server.token();
  await assert.rejects(enroll(wrong, { tokenSecret: 'A'.repeat(43) }), { code: 'token-invalid', message: /not known/ });
  await assert.rejects(enroll(wrong, { tokenId: 'taaaaaaaaaaaaaaaa' }), {
    code: 'token-invalid',
    message: /not known/,
  });
  const revoked = await server.token();
  await server.admin(revokeToken, { params: { id: parseToken(revoked).id } });
  await assert.rejects(enroll(revoked), { code: 'token-invalid', message: /revoked/ });
  const expired = await server.token();
  server.later(25 * 3_600_000);
  await assert.rejects(enroll(expired), { code: 'token-invalid', message: /expired/ });
  assert.deepEqual((await server.admin(hosts.listHosts, {})).items, []);
});

test('a request that its key did not sign is refused and nothing is left of it', async (t) => {
  const server = await startServer(t);
  const token = await server.token();
  const { body } = enrollBody(token, 'web-1');
  const csr = withSpoiltSignature(body.csr);
  await assert.rejects(server.as(undefined)(enrollHost, { body: { ...body, csr } }), { code: 'csr-invalid' });
  await enrollAgent(server, 'web-1', { token });
});

/** The signature is what a request ends with, however long its base64 is. */
function withSpoiltSignature(pem: string): string {
  const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}

test('what a machine wants to advertise waits for approval, whatever its token says', async (t) => {
  const server = await startServer(t);
  const advertise = ['192.168.7.0/24', '192.168.0.0/16'].map((prefix) => ({ prefix: parseCidr(prefix), weight: 5 }));
  const web = await enrollAgent(server, 'web-1', { change: { advertise } });
  await enrollAgent(server, 'web-2', { change: { advertise } });
  const { items } = await server.admin(listSubnets, {});
  assert.deepEqual(
    items.map(({ state, isActive }) => `${state} ${isActive}`),
    Array.from({ length: 4 }, () => 'pending false'),
  );
  assert.equal(items.filter(({ hostId }) => hostId === web.id).length, 2);
});

test('enrolling again replaces wishes nobody decided on and leaves decided ones alone', async (t) => {
  const server = await startServer(t);
  const wish = (...prefixes: string[]) => ({
    advertise: prefixes.map((prefix) => ({ prefix: parseCidr(prefix), weight: 1 })),
  });
  const token = await server.token();
  const change = wish('192.168.1.0/24', '192.168.2.0/24', '192.168.3.0/24');
  const web = await enrollAgent(server, 'web-1', { token, change });
  const { items } = await server.admin(listSubnets, {});
  const decide = (prefix: string, state: 'approved' | 'rejected') => {
    const id = items.find((subnet) => subnet.prefix === prefix)?.id ?? '';
    return server.admin(updateSubnet, { params: { id }, body: { state } });
  };
  await decide('192.168.1.0/24', 'approved');
  await decide('192.168.2.0/24', 'rejected');
  await enrollAgent(server, 'web-1', { token, key: web.key, change: wish('192.168.2.0/24', '192.168.4.0/24') });
  const after = await server.admin(listSubnets, {});
  assert.deepEqual(after.items.map(({ prefix, state }) => `${prefix} ${state}`).sort(), [
    '192.168.1.0/24 approved',
    '192.168.2.0/24 rejected',
    '192.168.4.0/24 pending',
  ]);
});

test('a wish for a prefix of the mesh or of the whole Internet is refused, named by its place', async (t) => {
  const server = await startServer(t);
  const token = await server.token();
  const act = (prefix: string) =>
    enrollAgent(server, 'web-1', { token, change: { advertise: [{ prefix: parseCidr(prefix), weight: 1 }] } });
  await assert.rejects(act('10.210.9.0/24'), { code: 'prefix-overlaps', field: 'advertise/0/prefix' });
  await assert.rejects(act('0.0.0.0/0'), { code: 'prefix-refused', field: 'advertise/0/prefix' });
  assert.deepEqual((await server.admin(hosts.listHosts, {})).items, []);
});

test('endpoints inside the mesh are not told to others', async (t) => {
  const server = await startServer(t);
  const localEndpoints = ['192.0.2.7:51820', '10.86.0.1:51820', '10.210.0.1:51820'].map(parseEndpoint);
  const web = await enrollAgent(server, 'web-1', { change: { localEndpoints } });
  const host = await server.admin(hosts.showHost, { params: { id: web.id } });
  assert.deepEqual(host.endpoints, ['192.0.2.7:51820']);
});

test('enrolling is on record with the token it used, and without its secret', async (t) => {
  const server = await startServer(t);
  const token = await server.token();
  const agent = await enrollAgent(server, 'web-1', { token });
  const { items } = await server.admin(listAudit, {});
  const entry = items.find(({ action }) => action === 'host.enroll');
  assert.equal(entry?.subject, agent.id);
  assert.equal(entry?.detail['token'], parseToken(token).id);
  assert.ok(!JSON.stringify(items).includes(parseToken(token).secret.reveal()));
});

test('keys of low order are refused before anything else', async (t) => {
  const server = await startServer(t);
  const zero = `${'A'.repeat(43)}=`;
  const act = enrollAgent(server, 'web-1', { change: { publicKey: zero as PublicKey } });
  await assert.rejects(act, { code: 'request-invalid', message: /low order/ });
});

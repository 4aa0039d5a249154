import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAudit } from '../../../shared/api/audit.ts';
import * as api from '../../../shared/api/keys.ts';
import { startServer } from '../routes/support.ts';

const day = 86_400_000;

test('a key works with its scope until it is revoked', async (t) => {
  const server = await startServer(t);
  const made = await server.admin(api.createKey, { body: { scope: 'admin', name: 'ci' } });
  assert.match(made.key, new RegExp(`^wrn_${made.id}_[A-Za-z0-9_-]{43}$`));
  const ends = Date.parse(made.expiresAt ?? '') - Date.parse(made.createdAt);
  assert.equal(ends, 90 * day);
  await server.as(made.key)(api.listKeys, {});
  await server.admin(api.revokeKey, { params: { id: made.id } });
  await assert.rejects(server.as(made.key)(api.listKeys, {}), { code: 'unauthenticated' });
  const { items } = await server.admin(api.listKeys, {});
  assert.equal(items.find(({ id }) => id === made.id)?.state, 'revoked');
  assert.ok(!JSON.stringify([items, await server.admin(listAudit, {})]).includes(made.key.slice(22)));
});

test('the last working admin key cannot be revoked', async (t) => {
  const server = await startServer(t);
  const first = (await server.admin(api.listKeys, {})).items[0]?.id ?? '';
  const expiring = new Date(Date.now() + 1000).toISOString();
  await server.admin(api.createKey, { body: { scope: 'admin', expiresAt: expiring } });
  server.later(2000);
  await assert.rejects(server.admin(api.revokeKey, { params: { id: first } }), { code: 'conflict', message: /last/ });
  await server.admin(api.createKey, { body: { scope: 'admin', expiresAt: null } });
  await server.admin(api.revokeKey, { params: { id: first } });
});

test('a key that would have expired already is refused', async (t) => {
  const server = await startServer(t);
  const body = { scope: 'read' as const, expiresAt: new Date(Date.now() - 1000).toISOString() };
  await assert.rejects(server.admin(api.createKey, { body }), { code: 'request-invalid', field: 'expiresAt' });
});

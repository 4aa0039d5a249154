import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listAudit } from '../../../shared/api/audit.ts';
import * as api from '../../../shared/api/tokens.ts';
import { parseToken } from '../../../shared/token.ts';
import { startServer } from '../routes/support.ts';

const day = 86_400_000;

test('a token says where the server is and which CA and key to trust', async (t) => {
  const server = await startServer(t);
  const made = await server.admin(api.createToken, { body: { uses: 3, tags: ['web'], name: 'site a' } });
  const token = parseToken(made.token);
  assert.equal(token.serverUrl, `https://127.0.0.1:${server.port}`);
  assert.equal(token.caPin, server.deps.authority.caPin);
  assert.equal(token.id, made.id);
  assert.equal(Date.parse(made.expiresAt) - Date.parse(made.createdAt), day);
  assert.deepEqual([made.uses, made.usesLeft, made.state], [3, 3, 'active']);
  assert.ok(made.installCommand.includes(server.deps.authority.serverPin));
  assert.ok(made.installCommand.endsWith(`| WARREN_TOKEN=${made.token} sh`));
});

test('the secret of a token stands in no list and no record', async (t) => {
  const server = await startServer(t);
  const secret = parseToken(await server.token()).secret.reveal();
  const seen = JSON.stringify([await server.admin(api.listTokens, {}), await server.admin(listAudit, {})]);
  assert.ok(!seen.includes(secret));
});

test('a token may last a year and no longer, and must not have ended', async (t) => {
  const server = await startServer(t);
  const create = (ms: number) =>
    server.admin(api.createToken, { body: { expiresAt: new Date(Date.now() + ms).toISOString() } });
  await create(365 * day);
  await assert.rejects(create(367 * day), { code: 'request-invalid', field: 'expiresAt' });
  await assert.rejects(create(-1000), { code: 'request-invalid', field: 'expiresAt' });
});

test('tokens are revoked once, and listed with their state', async (t) => {
  const server = await startServer(t);
  const { id } = parseToken(await server.token());
  await server.admin(api.revokeToken, { params: { id } });
  await server.admin(api.revokeToken, { params: { id } });
  await server.token();
  server.later(2 * day);
  const { items } = await server.admin(api.listTokens, {});
  assert.deepEqual(items.map(({ state }) => state).sort(), ['expired', 'revoked']);
  const { items: entries } = await server.admin(listAudit, {});
  assert.equal(entries.filter(({ action }) => action === 'token.revoke').length, 1);
  await assert.rejects(server.admin(api.revokeToken, { params: { id: 'taaaaaaaaaaaaaaaa' } }), { code: 'not-found' });
});

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { pino } from 'pino';
import { operations } from '../../../shared/api/index.ts';
import { parseToken } from '../../../shared/token.ts';
import { TestLog } from '../../support/lock-log.ts';
import { buildCsr } from '../pki/csr-builder.ts';
import { type Ask, newWireGuardKey, startTestServer } from '../http/test-server.ts';

interface AuditItem {
  id: string;
  actor: string;
  action: string;
  subject: string | null;
}

/** Reads that are POST: a report is no mutation of the mesh. */
const notMutations = new Set(['agent.report']);

test('every mutation leaves an audit entry that says who did it to what; no secret reaches log, audit, status or metrics', async (t) => {
  let logged = '';
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      logged += chunk.toString('utf8');
      done();
    },
  });
  const running = await startTestServer({ log: pino({ level: 'trace' }, sink) });
  t.after(() => running.stop());
  const { adminKey, server } = running;
  const adminId = adminKey.split('_')[1] ?? '';
  const secrets = [adminKey.slice(22)];
  const mutated = new Set<string>();

  const audits = async (): Promise<AuditItem[]> =>
    (await running.ask('/api/v1/audit?limit=1000', { key: adminKey })).json['items'] as AuditItem[];
  /** One mutation: it succeeds, and exactly the entries it should leave are new. */
  const mutate = async (
    id: string,
    path: string,
    ask: Ask,
    actor = `key:${adminId}`,
  ): Promise<Record<string, unknown>> => {
    const op = operations.find((one) => one.id === id);
    assert.ok(op, id);
    const before = Number((await audits())[0]?.id ?? 0);
    const answer = await running.ask(path, { method: op.method, key: adminKey, ...ask });
    assert.equal(answer.status, op.status, `${id}: ${answer.text}`);
    const fresh = (await audits()).filter((entry) => Number(entry.id) > before);
    assert.ok(fresh.length >= 1, `${id} left no audit entry: ${answer.text}`);
    for (const entry of fresh) assert.equal(entry.actor, actor, `${id}: ${JSON.stringify(entry)}`);
    assert.ok(
      fresh.some(({ subject }) => subject !== null),
      `${id}: no subject`,
    );
    mutated.add(id);
    return answer.json;
  };

  const key = await mutate('key.create', '/api/v1/keys', { body: { scope: 'read', name: 'one' } });
  secrets.push(String(key['key']).slice(22));
  const token = await mutate('token.create', '/api/v1/tokens', { body: { uses: 2, autoApprove: false } });
  const parsed = parseToken(String(token['token']));
  secrets.push(parsed.secret.reveal(), String(token['token']));
  const { csr, privateKey } = buildCsr('P-256');
  const body = {
    tokenId: parsed.id,
    tokenSecret: parsed.secret.reveal(),
    name: 'audited',
    publicKey: newWireGuardKey(),
  };
  const enrolled = await mutate(
    'host.enroll',
    '/agent/v1/enroll',
    { body: { ...body, csr, listenPort: 51820, agentVersion: '1' } },
    'anonymous',
  );
  const id = String(enrolled['hostId']);
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  let identity = { cert: String(enrolled['certificate']), key: keyPem };
  const path = `/api/v1/hosts/${id}`;
  for (const verb of ['approve', 'disable', 'enable', 'rotate']) await mutate(`host.${verb}`, `${path}/${verb}`, {});
  await mutate('host.update', path, { body: { tags: ['x'], isRelay: true } });
  const subnet = await mutate('subnet.create', `${path}/subnets`, { body: { prefix: '192.168.9.0/24' } });
  await mutate('subnet.update', `/api/v1/subnets/${String(subnet['id'])}`, { body: { weight: 4 } });
  await mutate('subnet.remove', `${path}/subnets/${String(subnet['id'])}`, {});
  await mutate('pool.create', '/api/v1/pools', { body: { kind: 'container', prefix: '10.99.0.0/16' } });
  const wish = { service: 'web', targetPort: 80, port: 8080 };
  const publication = await mutate('publication.create', '/api/v1/publications', { body: wish });
  await mutate('publication.remove', `/api/v1/publications/${String(publication['id'])}`, {});
  await mutate('segment.create', '/api/v1/segments', { body: { name: 'blue', kind: 'bridged' } });
  await mutate('segment.remove', '/api/v1/segments/blue', {});
  const renewal = { csr: buildCsr('P-256', { key: privateKey }).csr, publicKey: newWireGuardKey() };
  const again = await mutate('host.renew', '/agent/v1/renew', { identity, body: renewal }, `host:${id}`);
  identity = { cert: String(again['certificate']), key: keyPem };
  const other = await mutate('host.create', '/api/v1/hosts', { body: { name: 'other' } });
  await mutate('host.remove', `/api/v1/hosts/${String(other['id'])}`, {});
  await mutate('host.leave', '/agent/v1/leave', { identity }, `host:${id}`);
  await mutate('token.revoke', `/api/v1/tokens/${parsed.id}`, {});
  await mutate('lock.append', '/api/v1/lock/entries', { body: { entries: new TestLog().entries } });
  await mutate('lock.reset', '/api/v1/lock', {});
  await mutate('ca.rotate', '/api/v1/ca/rotate', {});
  await mutate('ca.retire', '/api/v1/ca/retire', { body: { isForced: true } });
  await mutate('key.revoke', `/api/v1/keys/${String(key['id'])}`, {});
  const all = operations.filter(({ method, id: op }) => method !== 'GET' && !notMutations.has(op)).map((op) => op.id);
  assert.deepEqual([...mutated].sort(), all.sort(), 'every mutation of the API was walked');

  // Failures repeat what was sent; they must not repeat secrets.
  await running.ask('/agent/v1/enroll', { method: 'POST', body: { ...body, csr, listenPort: 1, agentVersion: '1' } });
  await running.ask('/api/v1/hosts', { key: String(key['key']) });
  await running.ask(`/api/v1/hosts?key=${adminKey}`, { key: adminKey });
  const metrics = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
  const pages = await Promise.all(
    ['/api/v1/audit', '/api/v1/status', '/api/v1/mesh', '/api/v1/keys', '/api/v1/tokens', '/openapi.json', '/docs'].map(
      async (page) => (await running.ask(page, { key: adminKey })).text,
    ),
  );
  const caKey = /PRIVATE KEY/;
  await running.server.stop();
  const shown: [string, string][] = [
    ['log', logged],
    ['metrics', metrics],
    ['pages', pages.join('\n')],
  ];
  const database = await Promise.all(
    (await readdir(running.stateDir))
      .filter((name) => name.startsWith('warren.db'))
      .map(async (name) => (await readFile(join(running.stateDir, name))).toString('latin1')),
  );
  for (const [name, text] of [...shown, ['database', database.join('')] as const]) {
    for (const secret of secrets) assert.ok(!text.includes(secret), `${name} holds a secret`);
  }
  for (const [name, text] of shown) assert.ok(!caKey.test(text), `${name} holds a private key`);
  assert.ok(logged.includes('"ready"'));
});

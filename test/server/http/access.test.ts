import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { operations } from '../../../shared/api/index.ts';
import { type Access, type Operation, hasBody } from '../../../shared/api/route.ts';
import { revokeCertificates } from '../../../server/store/certificates.ts';
import { type Ask, type TestServer, startTestServer } from './test-server.ts';

type Caller = 'nobody' | 'read' | 'operator' | 'admin' | 'agent' | 'pending' | 'revoked' | 'disabled';
type Verdict = 'in' | 401 | 403;

const keyVerdicts: Readonly<Record<'read' | 'operator' | 'admin', Record<Caller, Verdict>>> = {
  read: row(401, 'in', 'in', 'in', 403, 403, 401, 403),
  operator: row(401, 403, 'in', 'in', 403, 403, 401, 403),
  admin: row(401, 403, 403, 'in', 403, 403, 401, 403),
};
const open = row('in', 'in', 'in', 'in', 'in', 'in', 'in', 'in');

const expected: Readonly<Record<Access, Record<Caller, Verdict>>> = {
  public: open,
  enroll: open,
  agent: row(401, 403, 403, 403, 'in', 'in', 401, 403),
  ...keyVerdicts,
};

function row(
  ...[nobody, read, operator, admin, agent, pending, revoked, disabled]: Verdict[]
): Record<Caller, Verdict> {
  const of = (verdict: Verdict | undefined): Verdict => verdict ?? 401;
  return {
    nobody: of(nobody),
    read: of(read),
    operator: of(operator),
    admin: of(admin),
    agent: of(agent),
    pending: of(pending),
    revoked: of(revoked),
    disabled: of(disabled),
  };
}

let running: TestServer;
const keys: Partial<Record<Caller, string>> = {};

before(async () => {
  running = await startTestServer();
  for (const scope of ['read', 'operator', 'admin'] as const) keys[scope] = await running.makeKey(scope);
});
after(() => running.stop());

/** Hosts are made anew for each call, because some calls end them. */
async function credentials(caller: Caller): Promise<Ask> {
  if (caller === 'nobody') return {};
  const key = keys[caller];
  if (key !== undefined) return { key };
  const { server, ask, adminKey } = running;
  const host = await running.enroll({ isPending: caller === 'pending' });
  if (caller === 'revoked') {
    await server.deps.store.transact('server', async (tx) => {
      await revokeCertificates(tx, host.id);
      tx.audit('test.revoke', host.id, {});
    });
  }
  if (caller === 'disabled') {
    const { status } = await ask(`/api/v1/hosts/${host.id}/disable`, { method: 'POST', key: adminKey });
    assert.equal(status, 200);
  }
  return { identity: host.identity };
}

const ids: Readonly<Record<string, string>> = { subnetId: 'saaaaaaaaaaaaaaaa', file: 'nothing', name: 'blue' };
const letters: Readonly<Record<string, string>> = { host: 'h', subnet: 's', token: 't', key: 'k', publication: 'p' };

function pathOf(op: Operation): string {
  const noun = op.path.split('/')[3]?.slice(0, -1) ?? 'host';
  return op.path.replace(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? `${letters[noun] ?? 'h'}aaaaaaaaaaaaaaaa`);
}

for (const op of operations) {
  test(`${op.method} ${op.path} lets in whom its declaration names (${op.access}), and nobody else`, async () => {
    for (const [caller, verdict] of Object.entries(expected[op.access]) as [Caller, Verdict][]) {
      const body = hasBody(op) ? { body: {} } : {};
      const answer = await running.ask(pathOf(op), { method: op.method, ...body, ...(await credentials(caller)) });
      const said = `${caller}: ${answer.status} ${answer.text.slice(0, 200)}`;
      if (verdict === 'in') assert.ok(answer.status !== 401 && answer.status !== 403 && answer.status < 500, said);
      else assert.equal(answer.status, verdict, said);
      if (answer.status >= 400) assert.equal(answer.headers['content-type']?.split(';')[0], 'application/problem+json');
    }
  });
}

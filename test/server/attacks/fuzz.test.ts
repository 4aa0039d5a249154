import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import fc from 'fast-check';
import { operations } from '../../../shared/api/index.ts';
import { type Operation, hasBody, problemSchema } from '../../../shared/api/route.ts';
import { isErrorCode } from '../../../shared/errors.ts';
import { buildCsr } from '../pki/csr-builder.ts';
import {
  type Answer,
  type Ask,
  type TestHost,
  type TestServer,
  newWireGuardKey,
  startTestServer,
} from '../http/test-server.ts';

let running: TestServer;
let host: TestHost;
/** What operators' operations are tried on; `host` goes on calling. */
let target: TestHost;
before(async () => {
  running = await startTestServer();
  host = await running.enroll();
  target = await running.enroll();
});
after(() => running.stop());

/** A body that each operation takes, or nearly; what fast-check does to it is the test. */
function seedBody(id: string): unknown {
  const seeds: Record<string, unknown> = {
    'host.create': { name: 'seed', tags: ['one'] },
    'host.update': { name: 'seed-2', tags: ['two'] },
    'subnet.create': { prefix: '192.168.77.0/24', weight: 10 },
    'subnet.update': { state: 'approved', weight: 3 },
    'pool.create': { kind: 'container', prefix: '10.77.0.0/16', leaseLength: 24 },
    'token.create': { uses: 1, tags: ['one'], autoApprove: true, ephemeral: false, name: 'seed' },
    'key.create': { scope: 'read', name: 'seed', expiresAt: null },
    'host.renew': { csr: buildCsr('P-256', { key: host.privateKey }).csr, publicKey: host.publicKey },
    'agent.report': {
      applied: null,
      listenPort: 51820,
      declaredEndpoints: ['192.0.2.1:51820'],
      localEndpoints: [],
      mappedEndpoints: ['192.0.2.1:4711'],
      nat: 'easy',
      peers: [{ hostId: host.id, endpoint: null, handshakeAt: null, rxBytes: 0, txBytes: 0 }],
      failures: [{ kind: 'x', subject: 'y', why: 'z', since: '2026-11-23T16:33:00.000Z' }],
      attachments: [],
      workloads: [],
      advertise: [],
      backend: { kind: 'kernel', version: '1' },
      agentVersion: '1',
    },
    'host.enroll': {
      tokenId: 'taaaaaaaaaaaaaaaa',
      tokenSecret: 'A'.repeat(43),
      name: 'seed',
      publicKey: newWireGuardKey(),
      csr: buildCsr('P-256').csr,
      listenPort: 51820,
      agentVersion: '1',
    },
  };
  return seeds[id] ?? {};
}

const nasty: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom<unknown>(
    '',
    '\0',
    '-rf',
    'web1\n[Peer]\nAllowedIPs=0.0.0.0/0',
    'a"; flush ruleset; #',
    '../../etc/passwd',
    '<script>alert(1)</script>',
    '0.0.0.0/0',
    '::/0',
    '::ffff:10.0.0.1',
    '010.0.0.1/8',
    '10.86.0.0/15',
    'localhost:1',
    '９.9.9.9:1',
    'хост',
    'x'.repeat(5000),
    Number.MAX_SAFE_INTEGER,
    -1,
    1.5,
    1e300,
    null,
    [],
    {},
    'A'.repeat(43) + '=',
    '9999-12-31T23:59:59.999Z',
    '0000-01-01T00:00:00.000Z',
  ),
);

/** `seed` with one value, at any depth, replaced, removed, or one key added. */
function mutate(seed: unknown): fc.Arbitrary<unknown> {
  const places = placesOf(seed, []);
  return fc
    .tuple(fc.constantFrom(...places), nasty, fc.constantFrom('set', 'drop', 'add'))
    .map(([path, value, how]) => {
      const copy = structuredClone(seed);
      if (path.length === 0) return how === 'add' && isRecord(copy) ? { ...copy, extra: value } : value;
      const parent = path.slice(0, -1).reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], copy);
      const key = path.at(-1) ?? '';
      const record = parent as Record<string, unknown>;
      if (how === 'drop') delete record[key];
      else record[how === 'add' ? `${key}x` : key] = value;
      return copy;
    });
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

function placesOf(value: unknown, path: string[]): string[][] {
  if (!isRecord(value)) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => placesOf(inner, [...path, key]))];
}

const ids = fc.oneof(
  fc.constantFrom('%00', '%2e%2e%2f', '..%5c', '__proto__', 'constructor', '-', 'é', 'h'.repeat(199), '1%27--', ' '),
  fc.constantFrom('haaaaaaaaaaaaaaaa', 'saaaaaaaaaaaaaaaa', 'taaaaaaaaaaaaaaaa', 'kaaaaaaaaaaaaaaaa'),
  fc
    .string({ minLength: 1, maxLength: 30, unit: 'binary' })
    .map((text) => encodeURIComponent(Buffer.from(text).toString('utf8'))),
);
const queries = fc.oneof(
  fc.constant(''),
  fc.constantFrom(
    '?limit=0',
    '?limit=1e3',
    '?limit=1&limit=2',
    '?limit[]=1',
    '?cursor=',
    '?cursor=%00',
    '?__proto__=1',
  ),
  fc.constantFrom(
    '?limit=1&cursor=1',
    '?cursor=AAAA',
    `?cursor=${'9'.repeat(200)}`,
    '?after=-1',
    '?after=1e99',
    '?state=x',
  ),
  fc.record({ cursor: fc.string({ maxLength: 60 }) }).map(({ cursor }) => `?cursor=${encodeURIComponent(cursor)}`),
);

/** What any answer to any request is: the declared success, or a problem with a code that is documented; never a bug. */
function assertAnswer({ status, headers, text, json }: Answer, what: string): void {
  assert.ok(status < 500, `${what}: ${status} ${text}`);
  if (status < 300) return;
  assert.equal(headers['content-type'], 'application/problem+json; charset=utf-8', `${what}: ${status} ${text}`);
  const problem = problemSchema.parse(json);
  assert.ok(isErrorCode(problem.code), `${what}: ${problem.code}`);
  assert.equal(problem.status, status);
}

/** Leaving ends the caller; it takes no input that could be attacked. */
const attacked = operations.filter(({ id }) => id !== 'host.leave');

function callerOf({ access }: Operation): Ask {
  return access === 'agent' ? { identity: host.identity } : { key: running.adminKey };
}

for (const op of attacked) {
  test(`${op.id}: no body, parameter or query gets more than a problem with a known code`, async () => {
    const bodies = hasBody(op) ? mutate(seedBody(op.id)) : fc.constant(undefined);
    await fc.assert(
      fc.asyncProperty(bodies, ids, queries, fc.boolean(), async (body, id, query, isOwnId) => {
        const filled = isOwnId && op.path.startsWith('/api/v1/hosts') ? target.id : id;
        const path = op.path.replace(/\{\w+\}/g, () =>
          /^[\x21-\x7e]+$/.test(filled) ? filled : encodeURIComponent(filled),
        );
        if (op.method === 'DELETE' && filled === target.id) return;
        const ask = { method: op.method, ...callerOf(op), ...(body === undefined ? {} : { body }) };
        const answer = await running.ask(path + query, ask);
        assertAnswer(answer, `${op.method} ${path}${query} ${JSON.stringify(body)?.slice(0, 300)}`);
      }),
      { numRuns: 40 },
    );
  });
}

test('after all that the mesh holds nothing that its own grammar refuses', async () => {
  for (const path of [
    '/api/v1/hosts',
    '/api/v1/subnets',
    '/api/v1/pools',
    '/api/v1/tokens',
    '/api/v1/keys',
    '/api/v1/audit',
  ]) {
    const answer = await running.ask(`${path}?limit=1000`, { key: running.adminKey });
    assert.equal(answer.status, 200, answer.text.slice(0, 300));
  }
  assert.equal(({} as Record<string, unknown>)['extra'], undefined);
});

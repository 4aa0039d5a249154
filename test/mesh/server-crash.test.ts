import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { makeCsr, makeIdentityKey } from '../../agent/identity.ts';
import { type AuditEntry, listAudit } from '../../shared/api/audit.ts';
import { type Call, everyItem } from '../../shared/api/client.ts';
import { enrollHost } from '../../shared/api/enroll.ts';
import { type Host, createHost, listHosts, removeHost, updateHost } from '../../shared/api/hosts.ts';
import { showMesh } from '../../shared/api/status.ts';
import { createHostSubnet, listSubnets } from '../../shared/api/subnets.ts';
import { createToken, listTokens } from '../../shared/api/tokens.ts';
import { WarrenError } from '../../shared/errors.ts';
import { parseHostId, parseHostName } from '../../shared/names.ts';
import { parseCidr } from '../../shared/net/cidr.ts';
import { parseToken } from '../../shared/token.ts';
import { parsePublicKey } from '../../shared/wireguard.ts';
import { type Run, beginRun } from '../support/lab-cleanup.ts';
import { type LoopbackServer, createLoopbackServer } from '../support/loopback-server.ts';

/**
 * The server is killed again and again while eight clients change things. Each client tries an operation, with the same
 * idempotency key, until it is acknowledged; in the end everything acknowledged must be there, once.
 */
const operationCount = 200;
const clients = 8;

let run: Run;
let server: LoopbackServer;
let admin: Call;
let anonymous: Call;

before(async () => {
  run = beginRun();
  server = await createLoopbackServer(run.dir);
  await server.start();
  admin = server.call('admin');
  anonymous = server.call('anonymous');
});
after(async () => {
  await server?.stop('SIGKILL');
  run?.end();
});

interface Acknowledged {
  readonly action: string;
  /** Id of what was made or changed. */
  readonly subject: string;
  readonly kind: 'enrolled' | 'host' | 'token' | 'subnet' | 'tags' | 'removed';
}

const acknowledged: Acknowledged[] = [];
const enrolled: string[] = [];
const revisions: { started: number; seen: number }[] = [];
let highest = 0;
let crashes = 0;

/** Kills and restarts the server each time some more operations were acknowledged. */
async function crashUntilDone(isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    const next = acknowledged.length + 5 + Math.floor(Math.random() * 15);
    while (acknowledged.length < next && !isDone()) await new Promise((resolve) => setTimeout(resolve, 1));
    if (isDone()) return;
    await server.stop('SIGKILL');
    await server.start();
    crashes += 1;
  }
}

/** Tries until the server answers; only an answer counts. */
async function insist<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      // `draining` and refused or cut connections are the crash itself; any other answer is an answer.
      if (error instanceof WarrenError && error.code !== 'draining') throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function watchRevision(): Promise<void> {
  const started = highest;
  const { revision } = await insist(() => admin(showMesh));
  revisions.push({ started, seen: revision });
  highest = Math.max(highest, revision);
}

async function enroll(index: number, token: string): Promise<Acknowledged> {
  const { id, secret } = parseToken(token);
  const key = makeIdentityKey();
  const name = parseHostName(`crash-${index}`);
  const body = {
    tokenId: id,
    tokenSecret: secret.reveal(),
    name,
    publicKey: makePublicKey(),
    csr: await makeCsr(key, name),
    listenPort: 51820,
    agentVersion: 'test',
  };
  const reply = await insist(() => anonymous(enrollHost, { body, idempotencyKey: idempotencyKeyOf(index) }));
  enrolled.push(reply.hostId);
  return { action: enrollHost.id, subject: reply.hostId, kind: 'enrolled' };
}

function makePublicKey(): ReturnType<typeof parsePublicKey> {
  const { x } = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' });
  return parsePublicKey(Buffer.from(x ?? '', 'base64url').toString('base64'));
}

const keys = new Map<number, string>();
function idempotencyKeyOf(index: number): string {
  const key = keys.get(index) ?? randomUUID();
  keys.set(index, key);
  return key;
}

async function mutate(index: number): Promise<Acknowledged> {
  const options = { idempotencyKey: idempotencyKeyOf(index) };
  const host = parseHostId(enrolled[index % enrolled.length] ?? '');
  switch (index % 5) {
    case 0: {
      const body = { name: parseHostName(`kept-${index}`) };
      const made = await insist(() => admin(createHost, { body, ...options }));
      return { action: createHost.id, subject: made.id, kind: 'host' };
    }
    case 1: {
      const made = await insist(() => admin(createToken, { body: { name: `token ${index}` }, ...options }));
      return { action: createToken.id, subject: made.id, kind: 'token' };
    }
    case 2: {
      const body = { prefix: parseCidr(`172.20.${index}.0/24`) };
      const made = await insist(() => admin(createHostSubnet, { params: { id: host }, body, ...options }));
      return { action: createHostSubnet.id, subject: made.id, kind: 'subnet' };
    }
    case 3: {
      const body = { tags: [`tag-${index}`] };
      await insist(() => admin(updateHost, { params: { id: host }, body, ...options }));
      return { action: updateHost.id, subject: host, kind: 'tags' };
    }
    default: {
      const body = { name: parseHostName(`gone-${index}`) };
      const made = await insist(() => admin(createHost, { body, ...options }));
      acknowledged.push({ action: createHost.id, subject: made.id, kind: 'removed' });
      const removal = { params: { id: made.id }, idempotencyKey: randomUUID() };
      await insist(() => admin(removeHost, removal));
      return { action: removeHost.id, subject: made.id, kind: 'removed' };
    }
  }
}

test('200 enrollments and mutations are all acknowledged while the server is killed in a loop', async () => {
  const { token } = await admin(createToken, { body: { uses: operationCount } });
  let next = 0;
  let isDone = false;
  const client = async (): Promise<void> => {
    while (next < operationCount) {
      const index = next;
      next += 1;
      // The first ones enroll, so that there is something to change.
      const isEnrollment = index % 2 === 0 || enrolled.length < clients;
      acknowledged.push(await (isEnrollment ? enroll(index, token) : mutate(index)));
      await watchRevision();
    }
  };
  const crashing = crashUntilDone(() => isDone);
  await Promise.all(Array.from({ length: clients }, client));
  isDone = true;
  await crashing;
  await server.stop('SIGKILL');
  await server.start();
  assert.ok(crashes >= 5, `${crashes} crashes`);
});

test('every acknowledged change is there', async () => {
  const hosts = new Map((await allHosts()).map((host) => [host.id as string, host]));
  const tokens = new Set((await collect((query) => admin(listTokens, { query }))).map((token) => token.id));
  const subnets = new Set((await collect((query) => admin(listSubnets, { query }))).map((subnet) => subnet.id));
  for (const { kind, subject } of acknowledged) {
    if (kind === 'token') assert.ok(tokens.has(subject), `token ${subject}`);
    else if (kind === 'subnet') assert.ok(subnets.has(subject), `subnet ${subject}`);
    else assert.equal(hosts.has(subject), kind !== 'removed', `${kind} ${subject}`);
  }
});

test('nothing is there twice: no host, no address, no lease, no key', async () => {
  const hosts = await allHosts();
  const expected = acknowledged.filter(({ kind }) => kind === 'enrolled' || kind === 'host').length;
  assert.equal(hosts.length, expected);
  for (const values of [
    hosts.map((host) => host.name),
    hosts.flatMap((host) => host.addresses),
    hosts.flatMap((host) => host.leases),
    hosts.flatMap((host) => host.publicKey ?? []),
  ]) {
    assert.equal(new Set<string>(values).size, values.length);
  }
});

test('revisions only grew', () => {
  const backwards = revisions.filter(({ started, seen }) => seen < started);
  assert.deepEqual(backwards, []);
  assert.ok(highest >= operationCount);
});

test('the audit tells of every acknowledged change, once, in order', async () => {
  const entries: AuditEntry[] = [];
  for (let afterId = '0'; ;) {
    const { items } = await admin(listAudit, { query: { after: afterId, limit: 1000 } });
    if (items.length === 0) break;
    entries.push(...items);
    afterId = items.at(-1)?.id ?? '';
  }
  // A machine whose answer was lost in a crash asks again; that it is the same host once more is on record too.
  const first = entries.filter((entry) => entry.detail['again'] !== true);
  const counts = countBy(first.map((entry) => `${entry.action} ${entry.subject ?? ''}`));
  for (const [change, count] of countBy(acknowledged.map((one) => `${one.action} ${one.subject}`))) {
    assert.equal(counts.get(change), count, change);
  }
  const order = entries.map((entry) => entry.revision);
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  );
});

async function allHosts(): Promise<Host[]> {
  return collect((query) => admin(listHosts, { query }));
}

async function collect<Item>(
  page: (query: { cursor?: string | undefined }) => Promise<{ items: Item[]; nextCursor: string | null }>,
): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of everyItem(page)) items.push(item);
  return items;
}

function countBy(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

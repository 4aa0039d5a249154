import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostId } from '../../../shared/names.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { parseDomainName } from '../../../shared/workload.ts';
import { listAudit } from '../../../server/store/audit.ts';
import { pruneTombstones } from '../../../server/store/changes.ts';
import { deleteHost, listAwayEphemeralHosts, listHosts, recordSeen, updateHost } from '../../../server/store/hosts.ts';
import { findReply, replyLifetime, saveReply } from '../../../server/store/idempotency.ts';
import { readMeshSettings, readMeta } from '../../../server/store/meta.ts';
import { listPools } from '../../../server/store/pools.ts';
import { setUpMesh } from '../../../server/store/set-up.ts';
import { insertSubnet, listClaims, listSubnets, updateSubnet } from '../../../server/store/subnets.ts';
import { findToken, insertToken, revokeToken, useToken } from '../../../server/store/tokens.ts';
import { addHost, defaults, useStore } from './support.ts';

test('a list read page by page tells every row once, also when rows are made and removed meanwhile', async (t) => {
  const { store, clock } = await useStore(t);
  const stay: string[] = [];
  for (let n = 0; n < 30; n += 1) {
    if (n % 4 === 0) clock.advance(1);
    stay.push((await store.transact('server', (tx) => addHost(tx, n))).id);
  }
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await listHosts(store.db, { limit: 7, cursor });
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor ?? undefined;
    clock.advance(1);
    const made = await store.transact('server', (tx) => addHost(tx, 100 + seen.length));
    await store.transact('server', (tx) => deleteHost(tx, made.id));
  } while (cursor !== undefined);
  assert.deepEqual(seen.toSorted(), stay.toSorted());
});

test('a cursor that no page gave is refused', async (t) => {
  const { store } = await useStore(t);
  for (const cursor of ['x', Buffer.from('1.a; drop').toString('base64url'), '%%%']) {
    await assert.rejects(listHosts(store.db, { limit: 7, cursor }), { code: 'request-invalid', field: 'cursor' });
    await assert.rejects(listAudit(store.db, { limit: 7, cursor }), { code: 'request-invalid', field: 'cursor' });
  }
});

test('audit is told newest first, or from an id on oldest first', async (t) => {
  const { store } = await useStore(t);
  for (let n = 0; n < 5; n += 1) await store.transact('server', async (tx) => tx.audit(`step.${n}`, null, { n }));
  const newest = await listAudit(store.db, { limit: 2 });
  assert.deepEqual(
    newest.items.map(({ action }) => action),
    ['step.4', 'step.3'],
  );
  const older = await listAudit(store.db, { limit: 2, cursor: newest.nextCursor ?? '' });
  assert.deepEqual(
    older.items.map(({ action }) => action),
    ['step.2', 'step.1'],
  );
  const later = await listAudit(store.db, { limit: 9, after: older.items[0]?.id });
  assert.deepEqual(
    later.items.map(({ action, detail }) => [action, detail]),
    [
      ['step.3', { n: 3 }],
      ['step.4', { n: 4 }],
    ],
  );
});

test('a token with one use is used once, whatever races for it', async (t) => {
  const { store, clock } = await useStore(t);
  const fields = { name: null, secretHash: Buffer.alloc(32), tags: [], isAutoApprove: true, isEphemeral: false };
  const make = (uses: number) =>
    store.transact('server', (tx) => insertToken(tx, { ...fields, uses, expiresAt: tx.now + 1000 }));
  const use = (id: string) => store.transact('server', (tx) => useToken(tx, id));
  const one = await make(1);
  const uses = await Promise.all(Array.from({ length: 50 }, () => use(one.id)));
  assert.equal(uses.filter(Boolean).length, 1);
  const [revoked, expired] = [await make(5), await make(5)];
  assert.equal(await store.transact('server', (tx) => revokeToken(tx, revoked.id)), true);
  assert.equal(await store.transact('server', (tx) => revokeToken(tx, revoked.id)), false);
  assert.equal(await use(revoked.id), false);
  clock.advance(1000);
  assert.equal(await use(expired.id), false);
  assert.equal((await findToken(store.db, expired.id))?.used, 0);
});

test('a saved reply is found by the same caller, key and request only, for a day, and is unreadable at rest', async (t) => {
  const { store, clock } = await useStore(t);
  const scope = { actor: 'key:a', key: 'idem-1', request: 'POST /x {}' };
  await store.transact('key:a', (tx) => saveReply(tx, scope, '{"token":"secret"}'));
  const find = (given: Partial<typeof scope>) => findReply(store.db, { ...scope, ...given }, clock.now());
  assert.equal(await find({}), '{"token":"secret"}');
  assert.equal(await find({ actor: 'key:b' }), undefined);
  assert.equal(await find({ key: 'idem-2' }), undefined);
  await assert.rejects(find({ request: 'POST /x {"a":1}' }), { code: 'idempotency-mismatch' });
  const row = await store.db.selectFrom('idempotency').selectAll().executeTakeFirstOrThrow();
  assert.ok(!Object.values(row).some((value) => String(value).includes('secret')));
  clock.advance(replyLifetime);
  assert.equal(await find({}), undefined);
});

test('claims on a prefix are the approved ones of active hosts', async (t) => {
  const { store } = await useStore(t);
  const prefix = parseCidr('192.168.7.0/24');
  const [a, b, c] = await store.transact('server', async (tx) => {
    const hosts = [await addHost(tx, 1), await addHost(tx, 2), await addHost(tx, 3, { state: 'disabled' })] as const;
    for (const { id: hostId } of hosts) await insertSubnet(tx, { hostId, prefix, weight: 10, state: 'approved' });
    return hosts;
  });
  const subnets = (await listSubnets(store.db, { limit: 10, hostId: b.id })).items;
  await store.transact('server', (tx) => updateSubnet(tx, subnets[0]?.id ?? '', { state: 'rejected' }));
  assert.deepEqual(await listClaims(store.db, [prefix]), [
    { prefix, weight: 10, hostId: a.id, hostName: 'host-1', isGone: false },
  ]);
  await assert.rejects(
    store.transact('server', (tx) => updateSubnet(tx, 'snope', { weight: 1 })),
    { code: 'not-found' },
  );
  assert.equal((await listSubnets(store.db, { limit: 10, state: 'approved' })).items.length, 2);
  assert.equal(c.state, 'disabled');
});

test('ephemeral hosts that nobody saw for long are due', async (t) => {
  const { store, clock } = await useStore(t);
  const [a, b] = await store.transact('server', async (tx) => {
    await addHost(tx, 3);
    return [await addHost(tx, 1, { isEphemeral: true }), await addHost(tx, 2, { isEphemeral: true })] as const;
  });
  clock.advance(5000);
  const before = store.position();
  await store.transact('server', (tx) => recordSeen(tx, b.id, { lastSeenAt: tx.now }));
  assert.deepEqual(store.position(), before);
  const due = await listAwayEphemeralHosts(store.db, clock.now() - 1000);
  assert.deepEqual(
    due.map(({ id }) => id),
    [a.id],
  );
});

test('an update raises the version; one of a host that is not there is not-found', async (t) => {
  const { store } = await useStore(t);
  const host = await store.transact('server', (tx) => addHost(tx, 1));
  const changed = await store.transact('server', (tx) => updateHost(tx, host.id, { tags: ['a'], isGone: true }));
  assert.deepEqual([changed.version, changed.tags, changed.isGone], [host.version + 1, ['a'], true]);
  await assert.rejects(
    store.transact('server', (tx) => updateHost(tx, 'hnope' as HostId, { tags: [] })),
    { code: 'not-found' },
  );
});

test('setting up again changes nothing, unless the settings did', async (t) => {
  const { store } = await useStore(t);
  const before = store.position();
  await setUpMesh(store, defaults);
  assert.deepEqual(store.position(), before);
  await setUpMesh(store, { ...defaults, mtu: 1380 });
  assert.equal((await readMeta(store.db)).mtu, 1380);
  assert.equal((await readMeta(store.db)).meshRevision, before.revision + 1);
  assert.equal((await listPools(store.db, { limit: 10 })).items.length, 4);
  let isMeshTold = false;
  store.onCommit((commit) => (isMeshTold = commit.isMeshChanged));
  await setUpMesh(store, { ...defaults, mtu: 1380, domain: parseDomainName('mesh.example') });
  assert.equal((await readMeshSettings(store.db)).domain, 'mesh.example');
  assert.equal(isMeshTold, true);
});

test('forgotten tombstones move the horizon of deltas, never back', async (t) => {
  const { store, clock } = await useStore(t);
  for (let n = 0; n < 6; n += 1) {
    clock.advance(1000);
    const host = await store.transact('server', (tx) => addHost(tx, n));
    await store.transact('server', async (tx) => {
      await deleteHost(tx, host.id);
      tx.forgetHost(host.id);
    });
  }
  const revisions = (await store.db.selectFrom('tombstone').select('revision').orderBy('revision').execute()).map(
    ({ revision }) => revision,
  );
  await store.transact('server', (tx) => pruneTombstones(tx, { before: 0, keep: 4 }));
  assert.equal((await readMeta(store.db)).oldestRevision, revisions[1]);
  const midway = clock.now() - 2000;
  await store.transact('server', (tx) => pruneTombstones(tx, { before: midway, keep: 100 }));
  assert.equal((await readMeta(store.db)).oldestRevision, revisions[2]);
  await store.transact('server', (tx) => pruneTombstones(tx, { before: 0, keep: 100 }));
  assert.equal((await readMeta(store.db)).oldestRevision, revisions[2]);
});

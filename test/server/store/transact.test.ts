import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findHost, listHosts, updateHost } from '../../../server/store/hosts.ts';
import { listAudit } from '../../../server/store/audit.ts';
import { readMeta } from '../../../server/store/meta.ts';
import type { Commit } from '../../../server/store/open.ts';
import { addHost, useStore } from './support.ts';

test('a change raises the revision by one and its audit entry carries it', async (t) => {
  const { store } = await useStore(t);
  const before = store.position().revision;
  const host = await store.transact('key:k', (tx) => addHost(tx, 1));
  assert.equal(store.position().revision, before + 1);
  assert.equal((await findHost(store.db, host.id))?.mapRevision, before + 1);
  const { items } = await listAudit(store.db, { limit: 1 });
  assert.deepEqual(
    items.map(({ actor, action, subject, revision }) => ({ actor, action, subject, revision })),
    [{ actor: 'key:k', action: 'host.enroll', subject: host.id, revision: before + 1 }],
  );
});

test('a transaction that nobody must know of leaves the revision alone', async (t) => {
  const { store } = await useStore(t);
  const before = store.position();
  const commits: Commit[] = [];
  store.onCommit((commit) => commits.push(commit));
  await store.transact('server', async (tx) => tx.db.updateTable('meta').set({ checked_at: 5 }).execute());
  assert.deepEqual(store.position(), before);
  assert.deepEqual(commits, []);
});

test('what a transaction throws is thrown on and nothing of it stays', async (t) => {
  const { store } = await useStore(t);
  const before = store.position();
  const failing = store.transact('server', async (tx) => {
    await addHost(tx, 1);
    throw new RangeError('no');
  });
  await assert.rejects(failing, RangeError);
  assert.deepEqual(store.position(), before);
  assert.deepEqual((await listHosts(store.db, { limit: 10 })).items, []);
  await store.transact('server', (tx) => addHost(tx, 2));
});

test('transactions asked for at once run one after the other, in order', async (t) => {
  const { store } = await useStore(t);
  const first = store.position().revision;
  const revisions: number[] = [];
  store.onCommit(({ revision }) => revisions.push(revision));
  const steps: string[] = [];
  const turns = Array.from({ length: 20 }, (_, n) =>
    store.transact('server', async (tx) => {
      steps.push(`begin ${n}`);
      await addHost(tx, n);
      await new Promise(setImmediate);
      steps.push(`end ${n}`);
    }),
  );
  await Promise.all(turns);
  assert.deepEqual(steps, Array.from({ length: 20 }, (_, n) => [`begin ${n}`, `end ${n}`]).flat());
  assert.deepEqual(
    revisions,
    Array.from({ length: 20 }, (_, n) => first + n + 1),
  );
});

test('reads go on during a transaction and see the state before it', async (t) => {
  const { store } = await useStore(t);
  await store.transact('server', async (tx) => {
    const host = await addHost(tx, 1);
    assert.equal(await findHost(store.db, host.id), undefined);
    assert.equal((await readMeta(tx.db)).revision, store.position().revision);
    assert.notEqual(await findHost(tx.db, host.id), undefined);
  });
  assert.equal((await listHosts(store.db, { limit: 10 })).items.length, 1);
});

test('a snapshot sees one state while commits go on', async (t) => {
  const { store } = await useStore(t);
  await store.transact('server', (tx) => addHost(tx, 1));
  const counts = await store.snapshot(async (db) => {
    const before = (await listHosts(db, { limit: 10 })).items.length;
    await store.transact('server', (tx) => addHost(tx, 2));
    return [before, (await listHosts(db, { limit: 10 })).items.length];
  });
  assert.deepEqual(counts, [1, 1]);
});

test('a listener that throws breaks neither the commit nor the other listeners', async (t) => {
  const { store } = await useStore(t);
  const told: number[] = [];
  process.once('warning', (warning) => told.push(warning.message.length));
  store.onCommit(() => {
    throw new Error('listener');
  });
  store.onCommit(({ revision }) => told.push(revision));
  await store.transact('server', (tx) => addHost(tx, 1));
  assert.equal(told[0], store.position().revision);
});

test('writing through the read side fails', async (t) => {
  const { store } = await useStore(t);
  await assert.rejects(store.db.deleteFrom('host').execute(), /readonly/);
  await assert.rejects(
    store.db.transaction().execute(async () => 1),
    /store.snapshot/,
  );
});

test('a commit names what it touched, removed and audited', async (t) => {
  const { store } = await useStore(t);
  const [a, b] = await store.transact('server', async (tx) => [await addHost(tx, 1), await addHost(tx, 2)] as const);
  const commits: Commit[] = [];
  store.onCommit((commit) => commits.push(commit));
  await store.transact('server', async (tx) => {
    await updateHost(tx, b.id, { state: 'disabled' });
    tx.touchHost(a.id);
    tx.touchHost(b.id);
    tx.forgetHost(b.id);
    tx.touchMesh();
    tx.audit('host.disable', b.id, { why: 'test' });
  });
  const { revision } = store.position();
  assert.deepEqual(
    commits.map(({ audits, ...rest }) => ({ ...rest, audits: audits.map(({ action }) => action) })),
    [
      {
        ...store.position(),
        touched: [a.id],
        removed: [b.id],
        isMeshChanged: true,
        audits: ['host.disable'],
      },
    ],
  );
  assert.equal((await readMeta(store.db)).meshRevision, revision);
});

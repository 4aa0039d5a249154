import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { HostId } from '../../../shared/names.ts';
import { type Cidr, overlaps, parseCidr } from '../../../shared/net/cidr.ts';
import { deleteHost } from '../../../server/store/hosts.ts';
import { leaseAddresses, readLeases } from '../../../server/store/leases.ts';
import { insertPool } from '../../../server/store/pools.ts';
import { addHost, useStore } from './support.ts';

test('the first host gets the first address and a lease of each family', async (t) => {
  const { store } = await useStore(t);
  const host = await store.transact('server', (tx) => addHost(tx, 1));
  const leases = (await readLeases(store.db, [host.id])).get(host.id) ?? [];
  assert.deepEqual(
    leases.map(({ kind, family }) => `${kind} ${family}`),
    ['overlay 4', 'overlay 6', 'container 4', 'container 6'],
  );
  assert.equal(leases[0]?.prefix, '10.86.0.1/32');
  assert.equal(leases[2]?.prefix, '10.210.1.0/24');
  assert.match(leases[1]?.prefix ?? '', /^fd[0-9a-f:]+::1\/128$/);
  assert.match(leases[3]?.prefix ?? '', /^fd[0-9a-f:]+:8001::\/64$/);
});

test('a host that asks again keeps what it has', async (t) => {
  const { store } = await useStore(t);
  const host = await store.transact('server', (tx) => addHost(tx, 1));
  const before = await readLeases(store.db, [host.id]);
  await store.transact('server', (tx) => leaseAddresses(tx, host.id));
  assert.deepEqual(await readLeases(store.db, [host.id]), before);
});

test('no two hosts ever hold overlapping prefixes, whatever comes and goes, at once or not', async (t) => {
  const { store } = await useStore(t, { containerPool: parseCidr('10.210.0.0/19') });
  let count = 0;
  const steps = fc.array(fc.oneof(fc.constant('add'), fc.nat(40)), { minLength: 1, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const ids: HostId[] = [];
      const act = async (step: string | number): Promise<void> => {
        if (step === 'add') {
          const made = await store
            .transact('server', (tx) => addHost(tx, (count += 1)))
            .catch((error: Error & { code?: string }) => assert.equal(error.code, 'pool-exhausted'));
          if (made !== undefined) ids.push(made.id);
          return;
        }
        const [id] = ids.splice(Number(step) % Math.max(1, ids.length), 1);
        if (id !== undefined) await store.transact('server', (tx) => deleteHost(tx, id));
      };
      await Promise.all(list.map(act));
      assertDisjoint((await store.db.selectFrom('lease').select('prefix').execute()).map(({ prefix }) => prefix));
      await store.transact('server', async (tx) => tx.db.deleteFrom('host').execute());
    }),
    { numRuns: 30 },
  );
});

test('a freed prefix rests until the others had their turn', async (t) => {
  const { store } = await useStore(t, { containerPool: parseCidr('10.210.0.0/22') });
  const containerOf = async (n: number): Promise<{ id: HostId; prefix: string | undefined }> => {
    const { id } = await store.transact('server', (tx) => addHost(tx, n));
    const leases = (await readLeases(store.db, [id])).get(id) ?? [];
    return { id, prefix: leases.find(({ kind, family }) => kind === 'container' && family === 4)?.prefix };
  };
  const first = await containerOf(1);
  await store.transact('server', (tx) => deleteHost(tx, first.id));
  const seen = [];
  for (let n = 2; n <= 5; n += 1) seen.push((await containerOf(n)).prefix);
  assert.deepEqual(seen, ['10.210.2.0/24', '10.210.3.0/24', '10.210.0.0/24', '10.210.1.0/24']);
});

test('an exhausted pool is named with the remedy, changes nothing, and a pool added then helps', async (t) => {
  const { store } = await useStore(t, { containerPool: parseCidr('10.210.0.0/23') });
  await store.transact('server', (tx) => addHost(tx, 1));
  await store.transact('server', (tx) => addHost(tx, 2));
  const before = store.position();
  await assert.rejects(
    store.transact('server', (tx) => addHost(tx, 3)),
    { code: 'pool-exhausted', message: /10\.210\.0\.0\/23.*warren pool add/ },
  );
  assert.deepEqual(store.position(), before);
  await store.transact('server', async (tx) => {
    await insertPool(tx, { kind: 'container', prefix: parseCidr('10.220.0.0/24'), leaseLength: 24 });
    tx.touchMesh();
  });
  const host = await store.transact('server', (tx) => addHost(tx, 3));
  const leases = (await readLeases(store.db, [host.id])).get(host.id) ?? [];
  assert.equal(leases.find(({ kind }) => kind === 'container')?.prefix, '10.220.0.0/24');
});

test('a thousand hosts get a thousand different addresses, and removed ones free theirs', async (t) => {
  const { store } = await useStore(t, { containerPool: parseCidr('10.128.0.0/9') });
  const ids = await store.transact('server', async (tx) => {
    const made: HostId[] = [];
    for (let n = 0; n < 1000; n += 1) made.push((await addHost(tx, n)).id);
    return made;
  });
  const prefixes = await store.db.selectFrom('lease').select('prefix').distinct().execute();
  assert.equal(prefixes.length, 4000);
  await store.transact('server', async (tx) => {
    for (const id of ids) await deleteHost(tx, id);
  });
  assert.deepEqual(await store.db.selectFrom('lease').select('prefix').execute(), []);
});

function assertDisjoint(prefixes: readonly Cidr[]): void {
  for (const [index, a] of prefixes.entries()) {
    for (const b of prefixes.slice(index + 1)) assert.ok(!overlaps(a, b), `${a} overlaps ${b}`);
  }
}

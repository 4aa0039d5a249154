/** Real stores in temporary directories, with a clock that a test moves and randomness that a seed gives. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { parseHostName } from '../../../shared/names.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import type { PublicKey } from '../../../shared/wireguard.ts';
import { type NewHost, type StoredHost, insertHost } from '../../../server/store/hosts.ts';
import { leaseAddresses } from '../../../server/store/leases.ts';
import { type OpenStoreOptions, type Store, type Tx, openStore } from '../../../server/store/open.ts';
import { type MeshDefaults, setUpMesh } from '../../../server/store/set-up.ts';
import { parseDomainName } from '../../../shared/workload.ts';

export interface TestClock {
  now(): number;
  advance(ms: number): void;
}

export function testClock(start = Date.UTC(2026, 10, 23)): TestClock {
  let now = start;
  return { now: () => now, advance: (ms) => void (now += ms) };
}

export function seededRandom(seed = 1): (bytes: number) => Buffer {
  let count = 0;
  return (bytes) => {
    const blocks: Buffer[] = [];
    for (let i = 0; i < bytes; i += 32) {
      count += 1;
      blocks.push(createHash('sha256').update(`${seed}:${count}`).digest());
    }
    return Buffer.concat(blocks).subarray(0, bytes);
  };
}

export function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'warren-store-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export const defaults: MeshDefaults = {
  overlayPool: parseCidr('10.86.0.0/16'),
  containerPool: parseCidr('10.210.0.0/16'),
  mtu: 1420,
  keepaliveSeconds: 25,
  domain: parseDomainName('warren.internal'),
};

export interface TestStore {
  store: Store;
  clock: TestClock;
  options: OpenStoreOptions;
  /** What uses the store ends before it is closed, the last one first. */
  ending: (end: () => Promise<void>) => void;
}

/** A store with the first pools, closed and removed after the test. */
export async function useStore(t: TestContext, mesh: Partial<MeshDefaults> = {}): Promise<TestStore> {
  const clock = testClock();
  const file = join(temporaryDirectory(t), 'warren.db');
  const options: OpenStoreOptions = { file, clock, random: seededRandom() };
  const store = await openStore(options);
  const endings = [() => store.close()];
  t.after(async () => {
    for (const end of endings.toReversed()) await end();
  });
  await setUpMesh(store, { ...defaults, ...mesh });
  return { store, clock, options, ending: (end) => void endings.push(end) };
}

/** A key that no other `n` gives. */
export function testKey(n: number): PublicKey {
  return createHash('sha256').update(`key ${n}`).digest('base64') as PublicKey;
}

/** An active host with key and addresses, as enrollment makes it. */
export async function addHost(tx: Tx, n: number, fields: Partial<NewHost> = {}): Promise<StoredHost> {
  const host = await insertHost(tx, {
    name: parseHostName(`host-${n}`),
    state: 'active',
    publicKey: testKey(n),
    identitySpki: `spki-${n}`,
    listenPort: 51820,
    enrolledAt: tx.now,
    ...fields,
  });
  await leaseAddresses(tx, host.id);
  tx.touchHost(host.id);
  tx.audit('host.enroll', host.id, { name: host.name });
  return host;
}

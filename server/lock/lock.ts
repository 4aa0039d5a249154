/**
 * The log of a locked mesh as the server keeps it. It takes what is signed and in order, so that a mistake is told to who
 * made it; hosts believe none of this and check for themselves. Who is signed while waiting for it is let in.
 */
import { WarrenError } from '../../shared/errors.ts';
import { type EntryBody, type LockEntry, parseBody, signedText } from '../../shared/lock/entry.ts';
import { type LockCrypto, type LockHead, type LockState, extendLog, headOf } from '../../shared/lock/log.ts';
import { approveHost } from '../hosts/hosts.ts';
import { findHost } from '../store/hosts.ts';
import { deleteLockEntries, insertLockEntry, listLockEntries, readLockHead } from '../store/lock.ts';
import type { Db, Tx } from '../store/open.ts';
import type { HostId } from '../../shared/names.ts';
import { lockCrypto } from './crypto.ts';

/** What is in the store was checked when it came. */
const checkedBefore: LockCrypto = { ...lockCrypto, verify: () => true };

export interface Appended {
  readonly lock: LockHead;
  /** Hosts that were let in by it. */
  readonly admitted: readonly HostId[];
}

/** Throws `lock-refused`, and `conflict` for entries that are here already or come too early. */
export async function appendEntries(tx: Tx, entries: readonly LockEntry[]): Promise<Appended> {
  const before = await readState(tx.db);
  const bodies = entries.map(({ body }) => parseBody(body));
  const [first] = bodies;
  const height = before?.height ?? 0;
  if (first !== undefined && first.n !== height) {
    throw new WarrenError('conflict', `the log has ${height} entries and ${first.n} came as the next; read it again`);
  }
  const after = extendLog(before, entries, lockCrypto);
  if (after === undefined) throw new WarrenError('request-invalid', 'no entry came', { field: 'entries' });
  const admitted: HostId[] = [];
  for (const [i, body] of bodies.entries()) {
    const entry = entries[i];
    if (entry === undefined) continue;
    await insertLockEntry(tx, { ...entry, n: body.n, hash: lockCrypto.hash(signedText(entry.body)) });
    tx.audit(`lock.${body.kind}`, subjectOf(body), { n: body.n, by: body.by });
    if (body.kind === 'host' && (await letIn(tx, body.host.id))) admitted.push(body.host.id);
  }
  tx.touchMesh();
  return { lock: headOf(after), admitted };
}

/** Throws `not-found` where the mesh is not locked. */
export async function resetLog(tx: Tx): Promise<void> {
  const head = await readLockHead(tx.db);
  if (head === undefined) throw new WarrenError('not-found', 'the mesh is not locked');
  await deleteLockEntries(tx);
  tx.touchMesh();
  tx.audit('lock.reset', head.root, { height: head.height, head: head.head });
}

async function readState(db: Db): Promise<LockState | undefined> {
  return extendLog(undefined, await listLockEntries(db, { after: 0 }), checkedBefore);
}

async function letIn(tx: Tx, id: HostId): Promise<boolean> {
  const host = await findHost(tx.db, id);
  if (host?.state !== 'pending') return false;
  await approveHost(tx, host);
  return true;
}

function subjectOf(body: EntryBody): string {
  switch (body.kind) {
    case 'host':
      return body.host.id;
    case 'host-removed':
      return body.id;
    case 'init':
    case 'add-key':
    case 'remove-key':
      return body.key;
  }
}

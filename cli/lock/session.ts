/**
 * One look at a server's log from an admin's machine: all of it is read, checked from the root this machine trusts, and
 * held against what was seen before; what is signed goes on from there. The server's word counts for nothing here.
 */
import type { Call } from '../../shared/api/client.ts';
import { appendLock, maxLockEntries, showLock } from '../../shared/api/lock.ts';
import { WarrenError } from '../../shared/errors.ts';
import {
  type EntryBody,
  type EntryClaim,
  type LockEntry,
  formatBody,
  noHash,
  parseBody,
  signedText,
} from '../../shared/lock/entry.ts';
import { type LockState, extendLog, headOf } from '../../shared/lock/log.ts';
import { createAdminCall, readConnection } from '../admin/connect.ts';
import type { ServerOptions } from '../admin/connect.ts';
import type { Io } from '../command.ts';
import { type Signer, lockCrypto } from './key.ts';
import { type Places, placesOf, readSeen, writeSeen } from './places.ts';

export interface LockOptions extends ServerOptions {
  readonly lockKey?: string;
  readonly root?: string;
  /** The server may have less of the log than was seen: it is to be given the rest. */
  readonly isPush?: boolean;
}

export interface LockSession {
  readonly call: Call;
  readonly places: Places;
  /** Undefined while the mesh is not locked. */
  readonly state: LockState | undefined;
  readonly entries: readonly LockEntry[];
  /** Signs and appends; answers the state after. */
  append(signer: Signer, claims: readonly EntryClaim[]): Promise<LockState>;
  /** Entries that are signed already. */
  push(entries: readonly LockEntry[]): Promise<LockState>;
}

/** Throws `lock-refused` where the log is not the one this machine trusts, or is shorter than it was. */
export async function openLock(options: LockOptions, io: Io): Promise<LockSession> {
  const connection = await readConnection(options, io.env);
  const places = placesOf(io.env, options.lockKey);
  const call = createAdminCall(connection);
  const { serverUrl } = connection;
  const entries = await readLog(call);
  let state = extendLog(undefined, entries, lockCrypto);
  const seen = await readSeen(places, serverUrl);
  if (options.root !== undefined && state?.root !== options.root) {
    throw refusal(`the server's log has the root ${state?.root ?? 'none'}, not ${options.root}`);
  }
  if (seen !== undefined && options.root === undefined && options.isPush !== true)
    refuseGoneBack(seen, state, entries, places);

  const trust = async (): Promise<void> => {
    if (state !== undefined) await writeSeen(places, serverUrl, headOf(state));
  };
  if (options.isPush !== true && (seen !== undefined || options.root !== undefined)) await trust();

  const push = async (added: readonly LockEntry[]): Promise<LockState> => {
    const next = extendLog(state, added, lockCrypto);
    if (next !== undefined && seen !== undefined && options.root === undefined && next.root !== seen.root) {
      throw refusal(`that log has the root ${next.root}, ${seen.root} was seen of this server`);
    }
    if (next === undefined) throw refusal('there is nothing to append');
    for (const batch of batchesOf(added)) await call(appendLock, { body: { entries: batch } });
    state = next;
    await trust();
    return next;
  };
  return {
    call,
    places,
    state,
    entries,
    push,
    append: async (signer, claims) => {
      const isTrusted = seen !== undefined || options.root !== undefined || state === undefined;
      if (!isTrusted) {
        throw new WarrenError(
          'usage-invalid',
          `this machine has not seen this mesh's lock before; ask another admin for its root and give it: --root ${state?.root ?? ''}`,
        );
      }
      return push(signAll(state, claims, signer));
    },
  };
}

function signAll(before: LockState | undefined, claims: readonly EntryClaim[], signer: Signer): LockEntry[] {
  let [n, prev] = [before?.height ?? 0, before?.head ?? noHash];
  return claims.map((claim) => {
    const { kind, ...rest } = claim;
    const body = formatBody({ v: 1, n, prev, at: Date.now(), by: signer.publicKey, kind, ...rest } as EntryBody);
    [n, prev] = [n + 1, lockCrypto.hash(signedText(body))];
    return { body, signature: signer.sign(signedText(body)) };
  });
}

async function readLog(call: Call): Promise<LockEntry[]> {
  const entries: LockEntry[] = [];
  for (;;) {
    const { lock, entries: some } = await call(showLock, { query: { after: entries.length } });
    entries.push(...some);
    if (lock === null || some.length === 0 || entries.length >= lock.height) return entries;
  }
}

/** Few enough at once for the server to take. */
function batchesOf(entries: readonly LockEntry[]): LockEntry[][] {
  const batches: LockEntry[][] = [];
  let chars = Infinity;
  for (const entry of entries) {
    const last = batches.at(-1);
    chars += entry.body.length + 128;
    if (last !== undefined && chars < 500_000 && last.length < maxLockEntries) last.push(entry);
    else {
      batches.push([entry]);
      chars = entry.body.length;
    }
  }
  return batches;
}

function refuseGoneBack(
  seen: { root: string; height: number; head: string },
  state: LockState | undefined,
  entries: readonly LockEntry[],
  { seenFile }: Places,
): void {
  const then = entries[seen.height - 1];
  if (state?.root === seen.root && then !== undefined && lockCrypto.hash(signedText(then.body)) === seen.head) return;
  const what =
    state === undefined
      ? 'the server says the mesh is not locked'
      : state.root !== seen.root
        ? `the server's log has the root ${state.root} in place of ${seen.root}`
        : `the server's log is not the one whose entry ${seen.height - 1} was seen here (${state.height} entries now)`;
  throw refusal(
    `${what}. If its database was put back: 'warren lock push FILE' with a log kept elsewhere; if the lock was given up on purpose: give --root, or remove ${seenFile}`,
  );
}

const refusal = (why: string): WarrenError => new WarrenError('lock-refused', why);

export const bodiesOf = (entries: readonly LockEntry[]): EntryBody[] => entries.map(({ body }) => parseBody(body));

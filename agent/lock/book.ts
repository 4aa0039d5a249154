/**
 * What this host knows of the lock: the root it pinned, the log from there, and what follows for the map. The log is
 * written down before it counts and never goes back: a shorter or another one is refused and told. Without a pinned
 * root the book lets every map through as it is.
 */
import type { Logger } from 'pino';
import { z } from 'zod';
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import { type LockEntry, lockEntrySchema, lockHashSchema } from '../../shared/lock/entry.ts';
import { type LockHead, type LockState, extendLog, headOf } from '../../shared/lock/log.ts';
import type { HostId } from '../../shared/names.ts';
import type { NetworkMap } from '../../shared/network-map.ts';
import type { Fault } from '../failures.ts';
import { type Admission, admit } from './admit.ts';
import { alarmsOf } from './alarms.ts';
import { lockCrypto } from './crypto.ts';

const savedSchema = z.strictObject({ format: z.literal(1), entries: z.array(lockEntrySchema) });

/** Where the book is kept: the root in a file of its own, so that a damaged log unlocks nothing. */
export interface LockShelf {
  readRoot(): Promise<string | undefined>;
  writeRoot(root: string | undefined): Promise<void>;
  readLog(): Promise<string | undefined>;
  writeLog(json: string | undefined): Promise<void>;
}

export interface LockBook {
  /** The map as this host may use it. */
  admit(map: NetworkMap, now: number): NetworkMap;
  /** What a map that came says of the log; undefined where it says nothing. */
  told(head: LockHead | undefined): void;
  /** Entries wanted: from where and how far, undefined where none are. */
  wanted(): { readonly after: number; readonly height: number } | undefined;
  /** Throws `lock-refused` where they do not lead on. */
  extend(entries: readonly LockEntry[]): Promise<void>;
  /** `fault`: the server answered what this host refuses. */
  note(fault: Fault | undefined): void;
  /** Throws `conflict` where another root is pinned, unless that is to be given up. */
  pin(root: string, isReplacing: boolean): Promise<void>;
  unpin(): Promise<void>;
  root(): string | undefined;
  head(): LockHead | undefined;
  faults(): readonly Fault[];
}

/** Throws `state-corrupt` where a root is pinned that cannot be read: nobody may be believed then. */
export async function openLockBook(shelf: LockShelf, selfId: HostId, log: Logger): Promise<LockBook> {
  let root = readRoot(await shelf.readRoot());
  let { entries, state } = root === undefined ? nothing : readLog(await shelf.readLog(), root, log);
  let seen: { readonly told: LockHead | undefined } | undefined;
  let noted: Fault | undefined;
  let last: { map: NetworkMap; state: LockState | undefined; admission: Admission } | undefined;

  const wanted = (): ReturnType<LockBook['wanted']> => {
    const height = seen?.told?.height ?? 0;
    const after = state?.height ?? 0;
    return root !== undefined && seen?.told?.root === root && height > after ? { after, height } : undefined;
  };
  const begin = async (next: string | undefined): Promise<void> => {
    await shelf.writeLog(undefined);
    await shelf.writeRoot(next);
    [root, entries, state, noted, last] = [next, [], undefined, undefined, undefined];
  };
  return {
    admit: (map, now) => {
      if (root === undefined) return map;
      if (last === undefined || last.map !== map || last.state !== state || now >= last.admission.goodUntil) {
        last = { map, state, admission: admit(map, state ?? noHosts, { now, selfId }) };
      }
      return last.admission.map;
    },
    told: (told) => {
      seen = { told };
    },
    wanted,
    extend: async (added) => {
      if (root === undefined || added.length === 0) return;
      const next = extendLog(state, added, lockCrypto);
      if (next?.root !== root)
        throw new WarrenError('lock-refused', 'the log does not begin with the root pinned here');
      const all = [...entries, ...added];
      await shelf.writeLog(JSON.stringify({ format: 1, entries: all }));
      [entries, state] = [all, next];
    },
    note: (fault) => {
      noted = fault;
    },
    pin: async (wished, isReplacing) => {
      if (root === wished) return;
      if (root !== undefined && !isReplacing) {
        throw new WarrenError(
          'conflict',
          `this host has pinned the root ${root}; if that lock was given up on purpose, say so with --replace`,
        );
      }
      await begin(wished);
    },
    unpin: () => begin(undefined),
    root: () => root,
    head: () => state && headOf(state),
    faults: () => [
      ...alarmsOf({ root, own: state && headOf(state), told: seen }),
      ...(noted === undefined || wanted() === undefined ? [] : [noted]),
      // Entries under way may sign what is not signed yet.
      ...(root === undefined || (noted === undefined && wanted() !== undefined) ? [] : (last?.admission.faults ?? [])),
    ],
  };
}

interface ReadLog {
  readonly entries: readonly LockEntry[];
  readonly state: LockState | undefined;
}

const nothing: ReadLog = { entries: [], state: undefined };
const noHosts: Pick<LockState, 'hosts'> = { hosts: new Map() };

function readRoot(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const parsed = lockHashSchema.safeParse(text.trim());
  if (parsed.success) return parsed.data;
  throw new WarrenError(
    'state-corrupt',
    "lock.root in the state directory is damaged; write the root that 'warren lock status' shows where the lock's key is into it",
  );
}

/**
 * What this host wrote itself needs no signature checked again; that it is whole and of that root does. A damaged log is
 * fetched anew, and nobody is believed until then.
 */
function readLog(text: string | undefined, root: string, log: Logger): ReadLog {
  if (text === undefined) return nothing;
  try {
    const { entries } = savedSchema.parse(JSON.parse(text));
    const state = extendLog(undefined, entries, { ...lockCrypto, verify: () => true });
    if (state === undefined || state.root === root) return { entries, state };
    log.error('saved log of the lock ignored: it is of another root');
  } catch (error) {
    log.error({ why: asWarrenError(error).message }, 'saved log of the lock ignored');
  }
  return nothing;
}

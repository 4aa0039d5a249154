/**
 * Keeps a DHCP client for each attachment that asks for one: started when its interface is there, stopped when it is
 * detached (then the lease is released) or its namespace is another one (then it is asked for again there). What runs is
 * read from the machine each time, so a restarted agent goes on with the clients it finds. The clients only talk; what
 * they were told becomes the attachment's addresses, and the reconciler makes those so.
 */
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { WishedAddress } from '../../shared/attachment.ts';
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import { isMissing, readIfThere, writeDurably } from '../durable.ts';
import type { Fault } from '../failures.ts';
import type { Argv, System } from '../system/run.ts';
import {
  type ClientWish,
  findUdhcpc,
  forgetLease,
  leaseFile,
  lookAtClient,
  startClient,
  stopClient,
} from './client.ts';
import { hookText, readLease } from './lease.ts';

export interface DhcpWishes {
  /** Whose namespaces are there. */
  readonly present: readonly ClientWish[];
  /** Ids of all that are attached, wherever their namespaces are. */
  readonly kept: ReadonlySet<string>;
}

export interface DhcpClients {
  /** Stops those that nobody wants any more, before their interfaces go, and reads the leases of the others. */
  settle(wishes: DhcpWishes): Promise<void>;
  /** Starts those that are missing; their interfaces are there. */
  start(wishes: readonly ClientWish[]): Promise<void>;
  /** True where a lease is another one than at the last `settle`, or a client is missing. */
  isChanged(wishes: DhcpWishes): Promise<boolean>;
  leaseOf(id: string): WishedAddress | undefined;
  /** What it has by now, which the next `settle` will know. */
  hasLeaseNow(id: string): Promise<boolean>;
  /** Why one has no lease; undefined where nothing is known to be wrong. */
  faultOf(netnsPath: string): Fault | undefined;
  faults(): readonly Fault[];
}

export interface DhcpParts {
  readonly system: System;
  /** Kept as long as the machine runs. */
  readonly runDir: string;
  /** Programs may be run from there; from /run often not. */
  readonly stateDir: string;
}

const folderIn = (runDir: string): string => join(runDir, 'dhcp');

export function createDhcpClients({ system, runDir, stateDir }: DhcpParts): DhcpClients {
  const folder = folderIn(runDir);
  const hook = join(stateDir, 'dhcp-hook');
  let leases = new Map<string, string>();
  let faults = new Map<string, Fault>();
  /** Nearly always there is none, and nothing to look at. */
  let mayHaveClients = true;
  let udhcpc: Argv | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(fn: () => Promise<T>): Promise<T> => {
    const done = turn.then(fn);
    turn = done.catch(() => undefined);
    return done;
  };
  const startOne = async (wish: ClientWish): Promise<void> => {
    try {
      if ((await lookAtClient(folder, wish.id)) === undefined) {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        if ((await readIfThere(hook)) !== hookText) await writeDurably(hook, hookText, 0o700);
        await startClient(system, (udhcpc ??= await findUdhcpc(system)), wish, { folder, hook });
      }
      faults.delete(wish.id);
    } catch (error) {
      faults.set(wish.id, { kind: 'dhcp', subject: wish.netnsPath, why: asWarrenError(error).message });
    }
  };
  return {
    settle: (wishes) =>
      inTurn(async () => {
        if (!mayHaveClients && wishes.present.length === 0) return;
        mayHaveClients = wishes.present.length > 0;
        const left = await stopOthers(folder, wishes);
        mayHaveClients ||= left.size > 0;
        leases = await readLeases(folder, wishes.present);
        faults = new Map([...[...faults].filter(([id]) => wishes.kept.has(id)), ...left]);
      }),
    start: (wishes) =>
      inTurn(async () => {
        mayHaveClients ||= wishes.length > 0;
        for (const wish of wishes) await startOne(wish);
      }),
    isChanged: (wishes) =>
      inTurn(async () => {
        if (!mayHaveClients) return false;
        for (const { id, namespace } of wishes.present) {
          if ((await lookAtClient(folder, id))?.namespace !== namespace) return true;
        }
        const now = await readLeases(folder, wishes.present);
        return JSON.stringify([...now]) !== JSON.stringify([...leases]);
      }),
    leaseOf: (id) => readLease(leases.get(id) ?? ''),
    hasLeaseNow: async (id) => readLease((await readIfThere(leaseFile(folder, id))) ?? '') !== undefined,
    faultOf: (netnsPath) => [...faults.values()].find(({ subject }) => subject === netnsPath),
    faults: () => [...faults.values()],
  };
}

/** Where no agent runs any more: none is left behind. Throws `command-failed` after trying all. */
export async function stopAllClients(runDir: string): Promise<void> {
  const [left] = (await stopOthers(folderIn(runDir), { present: [], kept: new Set() })).values();
  if (left !== undefined) throw new WarrenError('command-failed', left.why);
}

/** Answers by id what is wrong with those that could not be stopped. */
async function stopOthers(folder: string, { present, kept }: DhcpWishes): Promise<Map<string, Fault>> {
  const left = new Map<string, Fault>();
  const wanted = new Map(present.map((wish) => [wish.id, wish]));
  for (const id of await idsIn(folder)) {
    const client = await lookAtClient(folder, id);
    const isWanted = client !== undefined && client.namespace === wanted.get(id)?.namespace;
    // One that died is started again; until then its lease counts.
    if (isWanted || (client === undefined && wanted.has(id))) continue;
    try {
      if (client !== undefined) await stopClient(folder, client, !kept.has(id));
      await forgetLease(folder, id, kept.has(id));
    } catch (error) {
      left.set(id, { kind: 'dhcp', subject: `client ${id}`, why: asWarrenError(error).message });
    }
  }
  return left;
}

async function idsIn(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    const ids = names.flatMap((name) => /^([0-9a-z]{1,12})\.(?:pid|lease|lease\.last)$/.exec(name)?.[1] ?? []);
    return [...new Set(ids)];
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function readLeases(folder: string, present: readonly ClientWish[]): Promise<Map<string, string>> {
  const leases = new Map<string, string>();
  for (const { id } of present) leases.set(id, (await readIfThere(leaseFile(folder, id))) ?? '');
  return leases;
}

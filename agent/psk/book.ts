/**
 * The preshared keys of this host, kept over restarts: each in a file of its own (0600) that `wg` reads, and one file that
 * says which pair uses which. What is put is on the disk before it counts. A key that no pair needs is deleted.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Secret } from '../../shared/secret.ts';
import { type PublicKey, publicKeySchema } from '../../shared/wireguard.ts';
import { makePrivateDirectory, readIfThere, writeDurably } from '../durable.ts';
import type { PresharedKey, PresharedKeyId } from '../plan/preshared.ts';
import { presharedKeyId } from '../system/preshared-key.ts';
import { type Choice, type Pair, noPair } from './pair.ts';

export interface PskBook {
  /** Whose pairs they are: the public key of this host that they were agreed under. */
  self(): PublicKey | undefined;
  pair(peer: PublicKey): Pair;
  peers(): Iterable<PublicKey>;
  /** When the key in use was taken into use; milliseconds since 1970. */
  takenAt(peer: PublicKey): number;
  key(id: PresharedKeyId): Secret | undefined;
  /** What the kernel should have. */
  wishes(self: PublicKey): ReadonlyMap<PublicKey, PresharedKey>;
  put(peer: PublicKey, pair: Pair, now: number, key?: Secret): Promise<void>;
  /** Everything is forgotten where this host has another key than before. */
  begin(self: PublicKey): Promise<void>;
}

interface Entry {
  readonly pair: Pair;
  readonly takenAt: number;
}

const idSchema = z
  .string()
  .regex(/^[0-9a-f]{16}$/)
  .transform((text) => text as PresharedKeyId);
const choiceSchema = idSchema.nullable();
const fileSchema = z.strictObject({
  format: z.literal(1),
  self: publicKeySchema,
  pairs: z.record(
    publicKeySchema,
    z.strictObject({
      set: choiceSchema,
      held: z.strictObject({ id: choiceSchema, as: z.enum(['next', 'before']) }).nullable(),
      takenAt: z.number(),
    }),
  ),
});

const namesIn = ({ set, held }: Pair): PresharedKeyId[] =>
  [set, held?.id].filter((id): id is PresharedKeyId => id !== undefined);

/** `adopt` tells what the kernel has, base64; asked where nothing is written down, or nothing that can be read. */
export async function openPskBook(
  stateDir: string,
  self: PublicKey,
  adopt: () => Promise<ReadonlyMap<PublicKey, Secret>>,
): Promise<PskBook> {
  const folder = join(stateDir, 'psk');
  const indexFile = join(stateDir, 'psk.json');
  await makePrivateDirectory(folder);
  const fileOf = (id: PresharedKeyId): string => join(folder, `${id}.key`);
  const keys = new Map<PresharedKeyId, Secret>();
  const saved = readIndex(await readIfThere(indexFile));
  let owner = saved?.self;
  let entries = new Map<PublicKey, Entry>();
  let drafts: ReadonlyMap<PublicKey, Entry>;
  let writing: Promise<void> | undefined;
  let waiting: Promise<void> | undefined;

  const save = async (): Promise<void> => {
    const pairs = Object.fromEntries(
      [...drafts].map(([peer, { pair, takenAt }]) => [
        peer,
        { set: pair.set ?? null, held: pair.held ? { id: pair.held.id ?? null, as: pair.held.as } : null, takenAt },
      ]),
    );
    await writeDurably(indexFile, `${JSON.stringify({ format: 1, self: owner, pairs })}\n`, 0o600);
  };
  /** One write at a time, and one for all who wait meanwhile. */
  const flush = async (): Promise<void> => {
    if (waiting !== undefined) return waiting;
    const before = writing?.catch(() => undefined);
    waiting = (async () => {
      await before;
      waiting = undefined;
      writing = save();
      await writing;
    })();
    return waiting;
  };
  const clean = async (): Promise<void> => {
    const used = new Set([...entries.values(), ...drafts.values()].flatMap(({ pair }) => namesIn(pair)));
    const gone = [...keys.keys()].filter((id) => !used.has(id));
    for (const id of gone) {
      keys.delete(id);
      await rm(fileOf(id), { force: true });
    }
  };
  const write = (key: Secret): Promise<void> =>
    writeDurably(fileOf(presharedKeyId(key.reveal())), `${key.reveal()}\n`, 0o600);

  if (saved?.self === self) entries = await readEntries(saved, keys, fileOf);
  for (const [peer, key] of saved === undefined ? await adopt() : []) {
    await write(key);
    const id = presharedKeyId(key.reveal());
    keys.set(id, key);
    entries.set(peer, { pair: { set: id, held: undefined }, takenAt: 0 });
  }
  owner = self;
  drafts = new Map(entries);
  for (const name of await readdir(folder)) {
    const id = name.slice(0, -'.key'.length) as PresharedKeyId;
    if (!keys.has(id)) await rm(join(folder, name), { force: true });
  }
  await save();

  return {
    self: () => owner,
    pair: (peer) => entries.get(peer)?.pair ?? noPair,
    peers: () => entries.keys(),
    takenAt: (peer) => entries.get(peer)?.takenAt ?? 0,
    key: (id) => keys.get(id),
    wishes: (wanted) => {
      const wishes = new Map<PublicKey, PresharedKey>();
      if (owner !== wanted) return wishes;
      for (const [peer, { pair }] of entries)
        if (pair.set !== undefined) wishes.set(peer, { id: pair.set, file: fileOf(pair.set) });
      return wishes;
    },
    put: async (peer, pair, now, key) => {
      const before = entries.get(peer);
      const entry = { pair, takenAt: before?.pair.set === pair.set ? (before?.takenAt ?? now) : now };
      const asked = owner;
      if (key !== undefined) await write(key);
      if (owner !== asked) return;
      if (key !== undefined) keys.set(presharedKeyId(key.reveal()), key);
      drafts = withEntry(drafts, peer, entry);
      try {
        await flush();
      } catch (error) {
        drafts = withEntry(drafts, peer, before ?? { pair: noPair, takenAt: 0 });
        throw error;
      }
      if (owner !== asked) return;
      entries = withEntry(entries, peer, entry);
      await clean();
    },
    begin: async (wanted) => {
      if (owner === wanted) return;
      owner = wanted;
      entries = new Map();
      drafts = new Map();
      await flush();
      await clean();
    },
  };
}

function withEntry(entries: ReadonlyMap<PublicKey, Entry>, peer: PublicKey, entry: Entry): Map<PublicKey, Entry> {
  const next = new Map(entries);
  if (entry.pair.set === undefined && entry.pair.held === undefined) next.delete(peer);
  else next.set(peer, entry);
  return next;
}

/** A damaged file is none: the pairs agree anew. */
function readIndex(text: string | undefined): z.infer<typeof fileSchema> | undefined {
  if (text === undefined) return undefined;
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** A pair one of whose keys cannot be read is forgotten. */
async function readEntries(
  { pairs }: z.infer<typeof fileSchema>,
  keys: Map<PresharedKeyId, Secret>,
  fileOf: (id: PresharedKeyId) => string,
): Promise<Map<PublicKey, Entry>> {
  const entries = new Map<PublicKey, Entry>();
  for (const [peer, { set, held, takenAt }] of Object.entries(pairs)) {
    const pair: Pair = { set: orNone(set), held: held === null ? undefined : { id: orNone(held.id), as: held.as } };
    const found: Secret[] = [];
    for (const id of namesIn(pair)) {
      const text = (await readIfThere(fileOf(id)))?.trim();
      if (text !== undefined && /^[A-Za-z0-9+/]{43}=$/.test(text) && presharedKeyId(text) === id)
        found.push(new Secret(text));
    }
    if (found.length !== namesIn(pair).length) continue;
    namesIn(pair).forEach((id, i) => keys.set(id, found[i] ?? new Secret('')));
    entries.set(peer as PublicKey, { pair, takenAt });
  }
  return entries;
}

const orNone = (id: PresharedKeyId | null): Choice => id ?? undefined;

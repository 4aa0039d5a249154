/**
 * The log of a locked mesh: each entry holds the hash of the one before and is signed by a key that the entries before it
 * admit. Whoever starts from the same first entry and takes the same entries has the same keys and hosts. Pure: hashing
 * and checking of signatures are given.
 */
import { z } from 'zod';
import type { HostId } from '../names.ts';
import {
  type EntryBody,
  type LockEntry,
  type SignedHost,
  lockHashSchema,
  noHash,
  parseBody,
  refused,
  signatureSchema,
  signedText,
} from './entry.ts';

export interface LockCrypto {
  /** SHA-256 of the text's bytes, lower-case hex. */
  hash(text: string): string;
  /** True when `signature` (base64) over the text's bytes is of the Ed25519 key (base64). */
  verify(key: string, text: string, signature: string): boolean;
}

/** How far a log reaches and what stands there. */
export const lockHeadSchema = z.strictObject({
  /** Number of entries. */
  height: z.int().min(1),
  /** Hash of the newest. */
  head: lockHashSchema,
  /** Hash of the first. */
  root: lockHashSchema,
});
export type LockHead = z.infer<typeof lockHeadSchema>;

export interface LockKey {
  readonly key: string;
  readonly label: string;
  readonly addedAt: number;
}

export interface LockState {
  readonly root: string;
  readonly height: number;
  readonly head: string;
  readonly keys: ReadonlyMap<string, LockKey>;
  /** Hosts that are let in, expired ones too. */
  readonly hosts: ReadonlyMap<HostId, SignedHost>;
  /** Newest sequence of each host that was ever named. */
  readonly sequences: ReadonlyMap<HostId, number>;
  /** Names, keys, addresses and leases of hosts that are let in; each belongs to one. */
  readonly claims: ReadonlyMap<string, HostId>;
}

export const headOf = ({ height, head, root }: LockState): LockHead => ({ height, head, root });

/** The state after `entries`, from the beginning where `before` is undefined. Throws `lock-refused`; nothing is taken then. */
export function extendLog(
  before: LockState | undefined,
  entries: readonly LockEntry[],
  crypto: LockCrypto,
): LockState | undefined {
  if (entries.length === 0) return before;
  const draft = before === undefined ? emptyDraft() : draftOf(before);
  for (const entry of entries) take(draft, entry, crypto);
  return draft;
}

interface Draft {
  root: string;
  height: number;
  head: string;
  readonly keys: Map<string, LockKey>;
  readonly hosts: Map<HostId, SignedHost>;
  readonly sequences: Map<HostId, number>;
  readonly claims: Map<string, HostId>;
}

const emptyDraft = (): Draft => ({
  root: noHash,
  height: 0,
  head: noHash,
  keys: new Map(),
  hosts: new Map(),
  sequences: new Map(),
  claims: new Map(),
});

const draftOf = (state: LockState): Draft => ({
  ...state,
  keys: new Map(state.keys),
  hosts: new Map(state.hosts),
  sequences: new Map(state.sequences),
  claims: new Map(state.claims),
});

function take(draft: Draft, entry: LockEntry, crypto: LockCrypto): void {
  const body = parseBody(entry.body);
  if (body.n !== draft.height) throw refused(`entry ${body.n} came where ${draft.height} is the next`);
  if (body.prev !== draft.head) throw refused(`entry ${body.n} does not follow the one before: the log is forked`);
  const isFirst = body.n === 0;
  if (isFirst !== (body.kind === 'init')) throw refused('a log begins with `init`, and only begins with it');
  const admitted = body.kind === 'init' ? body.by === body.key : draft.keys.has(body.by);
  if (!admitted) throw refused(`entry ${body.n} is signed by a key that is none of the lock's`);
  const isSpelled = signatureSchema.safeParse(entry.signature).success;
  if (!isSpelled || !crypto.verify(body.by, signedText(entry.body), entry.signature)) {
    throw refused(`the signature of entry ${body.n} is not good`);
  }
  settle(draft, body);
  draft.head = crypto.hash(signedText(entry.body));
  draft.height += 1;
  if (isFirst) draft.root = draft.head;
}

function settle(draft: Draft, body: EntryBody): void {
  switch (body.kind) {
    case 'init':
    case 'add-key':
      if (draft.keys.has(body.key)) throw refused('this key is one of the lock already');
      draft.keys.set(body.key, { key: body.key, label: body.label, addedAt: body.at });
      return;
    case 'remove-key':
      if (!draft.keys.has(body.key)) throw refused('the key to remove is none of the lock’s');
      if (draft.keys.size === 1) throw refused('the last key cannot be removed; add another one first');
      draft.keys.delete(body.key);
      return;
    case 'host':
      refuseOld(draft, body.host.id, body.host.sequence);
      refuseTaken(draft, body.host);
      letGo(draft, body.host.id);
      draft.hosts.set(body.host.id, body.host);
      draft.sequences.set(body.host.id, body.host.sequence);
      for (const claim of claimsOf(body.host)) draft.claims.set(claim, body.host.id);
      return;
    case 'host-removed':
      refuseOld(draft, body.id, body.sequence);
      if (!draft.hosts.has(body.id)) throw refused(`host ${body.id} is not let in, so it cannot be removed`);
      letGo(draft, body.id);
      draft.sequences.set(body.id, body.sequence);
      return;
  }
}

function refuseOld({ sequences }: Draft, id: HostId, sequence: number): void {
  const newest = sequences.get(id) ?? -1;
  if (sequence <= newest) throw refused(`sequence ${sequence} of host ${id} is not newer than ${newest}`);
}

function refuseTaken({ hosts, claims }: Draft, host: SignedHost): void {
  for (const claim of claimsOf(host)) {
    const owner = claims.get(claim);
    if (owner === undefined || owner === host.id) continue;
    throw refused(
      `the ${claim} belongs to host ${hosts.get(owner)?.name ?? ''} (${owner}); if that one is gone, run 'warren lock revoke ${owner}' first`,
    );
  }
}

function letGo(draft: Draft, id: HostId): void {
  const host = draft.hosts.get(id);
  if (host === undefined) return;
  for (const claim of claimsOf(host)) draft.claims.delete(claim);
  draft.hosts.delete(id);
}

const claimsOf = ({ name, publicKey, addresses, leases }: SignedHost): string[] => [
  `name ${name}`,
  `key ${publicKey}`,
  ...addresses.map((address) => `address ${address}`),
  ...leases.map((lease) => `lease ${lease}`),
];

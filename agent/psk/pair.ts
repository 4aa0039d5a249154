/**
 * Which preshared key one side of a pair uses, and when it changes. Pure: what the peer says is an argument. Each side has
 * at most two keys: the one it uses, and one that it could change to. Only the answerer changes first, once it knows that
 * the offerer holds the new key; it keeps the old one until it knows that the offerer has followed. So at every moment
 * one side holds what the other uses, and whoever is left alone by the other finds back by trying its second key.
 */
import type { PresharedKeyId } from '../plan/preshared.ts';

/** A key by its name; undefined: none, which can be agreed on like any other. */
export type Choice = PresharedKeyId | undefined;

export interface Held {
  readonly id: Choice;
  /** `next`: it is not in use yet. `before`: it was, and the peer may use it still. */
  readonly as: 'next' | 'before';
}

export interface Pair {
  readonly set: Choice;
  readonly held: Held | undefined;
}

/** What the peer says of itself, fresh. */
export interface Word {
  /** In its kernel. */
  readonly set: Choice;
  /** Undefined: nothing. */
  readonly held: { readonly id: Choice } | undefined;
}

export type Role = 'offerer' | 'answerer';

export const noPair: Pair = { set: undefined, held: undefined };

/** Both sides work it out alike. */
export const roleOf = (self: string, peer: string): Role => (self < peer ? 'offerer' : 'answerer');

/** A key came out of an exchange. Undefined where this side is in no state to take one. */
export function receive(pair: Pair, role: Role, id: PresharedKeyId): Pair | undefined {
  // An answerer's earlier answer may have been lost; an offerer's next key may be in use at the other end.
  const isFree = pair.held === undefined || (role === 'answerer' && pair.held.as === 'next');
  return isFree ? { set: pair.set, held: { id, as: 'next' } } : undefined;
}

/** The same object where nothing follows from the word. */
export function hear(pair: Pair, role: Role, word: Word): Pair {
  const { set, held } = pair;
  if (word.set === set) return agreed(pair, role, word);
  if (held !== undefined && word.set === held.id) {
    const isFollowing = held.as === 'before' && word.held !== undefined && word.held.id === set;
    if (!isFollowing) return { set: held.id, held: undefined };
    // Each could go to the other one's; the answerer stays.
    return role === 'answerer' ? pair : { set: held.id, held: { id: set, as: 'before' } };
  }
  // It uses what is not known here.
  const canFollow = word.held !== undefined && word.held.id === set;
  if (canFollow || (set === undefined && held === undefined)) return pair;
  return noPair;
}

function agreed(pair: Pair, role: Role, word: Word): Pair {
  const { set, held } = pair;
  if (held === undefined) return pair;
  if (held.as === 'before') return { set, held: undefined };
  const hasPeer = word.held !== undefined && word.held.id === held.id;
  if (role === 'answerer') return hasPeer ? { set: held.id, held: { id: set, as: 'before' } } : pair;
  return hasPeer ? pair : { set, held: undefined };
}

/** No handshake succeeds: the other key is tried. The same object where there is none that the peer could use. */
export function tryOther(pair: Pair, role: Role): Pair {
  const { set, held } = pair;
  if (held === undefined || (held.as === 'next' && role === 'answerer')) return pair;
  return { set: held.id, held: { id: set, as: 'before' } };
}

/** What this side says of itself; undefined while it does not know what its kernel has. */
export function say(pair: Pair, kernel: Choice): Word | undefined {
  return kernel === pair.set ? { set: pair.set, held: pair.held && { id: pair.held.id } } : undefined;
}

/** What is under way with one peer; nothing of it outlives the agent. */
import type { Secret } from '../../shared/secret.ts';
import type { PresharedKeyId } from '../plan/preshared.ts';
import { presharedKeyId } from '../system/preshared-key.ts';
import type { Offer } from './kem.ts';
import type { Choice, Pair, Role } from './pair.ts';

export interface Talk {
  role: Role;
  /** Undefined while its agent has not said. */
  isSpeaking: boolean | undefined;
  /** Undefined while it is not known what the kernel has. */
  kernel: { readonly id: Choice } | undefined;
  /** Something is on its way to the disk. */
  isBusy: boolean;
  asked: { readonly transaction: Buffer; readonly at: number } | undefined;
  lastAskAt: number;
  askAt: number;
  tries: number;
  /** By an offerer. */
  offered:
    { readonly transaction: Buffer; readonly offer: Offer; readonly ticket: Buffer; readonly at: number } | undefined;
  /** By an answerer: what an offer must bring, so that nobody can play an old one. */
  ticket: Buffer | undefined;
  answered: { readonly transaction: Buffer; readonly body: Buffer } | undefined;
  /** Since when a first key may be offered; undefined before the pair's first handshake. */
  firstAt: number | undefined;
  /** When another key was last tried. */
  triedAt: number;
  absentSince: number | undefined;
  idOf(key: Secret): PresharedKeyId;
  /** The peer asks, so something may be new there. */
  nudge(pair: Pair, isDue: boolean, now: number): void;
  /** Nothing is open; asked again then. */
  settle(until: number): void;
  leave(now: number): void;
}

const nudgeMs = 200;
const settledNudgeMs = 5_000;

export function newTalk(role: Role, now: number): Talk {
  const talk: Talk = {
    role,
    isSpeaking: undefined,
    kernel: undefined,
    isBusy: false,
    asked: undefined,
    lastAskAt: -Infinity,
    askAt: now,
    tries: 0,
    offered: undefined,
    ticket: undefined,
    answered: undefined,
    firstAt: undefined,
    triedAt: -Infinity,
    absentSince: undefined,
    idOf: (key) => presharedKeyId(key.reveal()),
    nudge: (pair, isDue, at) => {
      const isOpen = pair.held !== undefined || isDue;
      if (at - talk.lastAskAt < (isOpen ? nudgeMs : settledNudgeMs)) return;
      talk.askAt = at;
      talk.tries = 0;
    },
    settle: (until) => {
      talk.askAt = until;
      talk.tries = 0;
    },
    leave: (at) => {
      talk.absentSince ??= at;
      talk.kernel = undefined;
      talk.asked = undefined;
    },
  };
  return talk;
}

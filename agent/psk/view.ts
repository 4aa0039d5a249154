/** What people are told of a pair's preshared key; never the key, nor its name. */
import { z } from 'zod';
import { timeSchema } from '../../shared/api/route.ts';
import { timeOf } from '../clock.ts';
import type { Pair } from './pair.ts';
import { isHandshakeProof } from './times.ts';

export const postQuantumSchema = z.strictObject({
  /**
   * `protected`: the session under way was made with a preshared key that was agreed on by ML-KEM; `agreed`: the next one
   * will be; `none`: neither.
   */
  state: z.enum(['none', 'agreed', 'protected']),
  /** When the key in use was agreed on. */
  since: timeSchema.nullable(),
  /** Why there is none. */
  why: z.string().nullable(),
});
export type PostQuantum = z.infer<typeof postQuantumSchema>;

export interface PostQuantumFacts {
  /** Undefined: this agent agrees on none. */
  readonly pair: Pair | undefined;
  readonly takenAt: number;
  readonly handshakeAt: number;
  readonly canAsk: boolean;
  /** Undefined while the peer's agent has not said. */
  readonly isSpeaking: boolean | undefined;
}

export function viewPostQuantum({ pair, takenAt, handshakeAt, canAsk, isSpeaking }: PostQuantumFacts): PostQuantum {
  if (pair?.set !== undefined) {
    const state = isHandshakeProof(handshakeAt, takenAt) ? 'protected' : 'agreed';
    return { state, since: timeOf(takenAt), why: null };
  }
  return { state: 'none', since: null, why: whyNone(pair, canAsk, isSpeaking) };
}

function whyNone(pair: Pair | undefined, canAsk: boolean, isSpeaking: boolean | undefined): string {
  if (pair === undefined) return 'it is off on this host (WARREN_PSK)';
  if (!canAsk) return 'this host cannot ask: no probes';
  if (isSpeaking === false) return 'the agent there is older, or has it off (WARREN_PSK)';
  return isSpeaking === undefined ? 'it has not answered yet' : 'not agreed on yet';
}

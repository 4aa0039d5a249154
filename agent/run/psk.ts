/** Preshared keys as a part of the running agent: the book that passes go by, and the room that fills it. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { HostSettings } from '../plan/settings.ts';
import type { PresharedKeyId } from '../plan/preshared.ts';
import { type PskBook, openPskBook } from '../psk/book.ts';
import { type PskRoom, startPskRoom } from '../psk/room.ts';
import { type PostQuantum, viewPostQuantum } from '../psk/view.ts';
import type { Reached, Reconciler } from '../reconcile.ts';
import type { State } from '../state.ts';
import { showLinks } from '../system/ip.ts';
import type { System } from '../system/run.ts';
import { showInterface, showPresharedKeys } from '../system/wg.ts';
import type { Timer } from '../clock.ts';
import type { Context } from './context.ts';
import type { Paths } from './paths.ts';

/** Sessions go on meanwhile, so keys of several peers can come in one pass. */
const gatherMs = 1_000;

export interface Psk {
  /** A peer's agent has answered, and says whether it agrees on keys. */
  noteAgent(peer: PublicKey, isSpeaking: boolean): void;
  /** A pass has ended. */
  reached(reached: Reached): void;
  readonly view: (peer: PublicKey, handshakeAt: number) => PostQuantum;
  stop(): void;
}

/** Undefined where it is off; what was agreed on is forgotten then. */
export async function openPsk(
  isWanted: boolean,
  system: System,
  state: State,
  settings: HostSettings,
): Promise<PskBook | undefined> {
  if (isWanted) return openPskBook(state.directory, settings.publicKey, () => adopt(system, settings));
  await rm(join(state.directory, 'psk'), { recursive: true, force: true });
  await rm(join(state.directory, 'psk.json'), { force: true });
  return undefined;
}

/** The interface may be of another namespace's wireguard-go, or of an earlier key. */
async function adopt(system: System, { interfaceName, publicKey }: HostSettings): ReturnType<typeof showPresharedKeys> {
  if (!(await showLinks(system)).has(interfaceName)) return new Map();
  const seen = await showInterface(system, interfaceName);
  return seen?.publicKey === publicKey ? showPresharedKeys(system, interfaceName) : new Map();
}

export function startPsk(
  context: Context,
  { room: ways }: Pick<Paths, 'room'>,
  reconciler: () => Pick<Reconciler, 'wake' | 'wireguard'>,
): Psk {
  const { psk: book, channel, clock, log, settings, agent } = context;
  let timer: Timer | undefined;
  const wake = (): void => {
    timer = undefined;
    reconciler().wake();
  };
  const room: PskRoom | undefined =
    book === undefined || channel === undefined || ways === undefined
      ? undefined
      : startPskRoom({
          channel,
          clock,
          log,
          book,
          self: () => settings().publicKey,
          mixKey: context.mixKey,
          endpoint: (peer) => ways.best(peer)?.endpoint,
          wireguard: () => reconciler().wireguard(),
          renewMs: agent.pskRenewMs,
          onChange: () => (timer ??= clock.after(gatherMs, wake)),
        });
  return {
    noteAgent: (peer, isSpeaking) => room?.noteAgent(peer, isSpeaking),
    reached: (reached) => room?.setPeers(kernelOf(reached)),
    view: (peer, handshakeAt) =>
      viewPostQuantum({
        pair: book?.pair(peer),
        takenAt: book?.takenAt(peer) ?? 0,
        handshakeAt,
        canAsk: room !== undefined,
        isSpeaking: room?.isSpeaking(peer),
      }),
    stop: () => {
      timer?.cancel();
      room?.stop();
    },
  };
}

/** What each peer has in the kernel after a pass; undefined where the pass failed there. */
function kernelOf({
  desired,
  failures,
}: Reached): ReadonlyMap<PublicKey, { kernel: PresharedKeyId | undefined } | undefined> {
  const failed = new Set(failures.map(({ subject }) => subject));
  const isWhole = desired !== undefined && !failed.has(desired.interfaceName);
  return new Map(
    [...(desired?.peers.values() ?? [])].map(({ publicKey, presharedKey }) => [
      publicKey,
      isWhole && !failed.has(publicKey) ? { kernel: presharedKey?.id } : undefined,
    ]),
  );
}

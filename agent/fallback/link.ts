/**
 * One stream between a host and a relay, as packets. It never waits: what does not fit into the queue is dropped, as a
 * full router would, because what is inside of the packets has its own care for losses. It ends by itself where nothing
 * comes any more.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { createTimers } from '../reconcile/timers.ts';
import type { ProbeId } from '../relay/wire.ts';
import { type Frame, beat, createFrameReader, encodeFrame, isBeat } from './frame.ts';

export interface Link {
  /** False where it was dropped. */
  send(peer: ProbeId, payload: Buffer): boolean;
  close(): void;
}

export interface LinkEvents {
  readonly onFrame: (frame: Frame) => void;
  /** Once, whoever ended it. */
  readonly onClose: () => void;
}

/** What waits in this process at most; at 10 Mbit/s the last of it leaves after a fifth of a second. */
export const mostWaitingBytes = 256 * 1024;
const beatMs = 5_000;
/** Three beats lost. A relay in use is left sooner, by the probes that go through it. */
const silenceMs = 16_000;

export function openLink(stream: Duplex, clock: Clock, { onFrame, onClose }: LinkEvents): Link {
  const timers = createTimers(clock);
  const read = createFrameReader();
  let isOpen = true;
  let heardAt = clock.now();
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    timers.stop();
    stream.destroy();
    onClose();
  };
  stream.on('data', (chunk: Buffer) => {
    if (!isOpen) return;
    heardAt = clock.now();
    try {
      for (const frame of read(chunk)) if (!isBeat(frame)) onFrame(frame);
    } catch {
      // Not one of ours at the other end, or the stream lost its place: nothing after this can be read.
      close();
    }
  });
  for (const end of ['error', 'end', 'close']) stream.on(end, close);
  // Says to the other end that it is welcome here.
  stream.write(beat);
  timers.every('beat', beatMs, () => {
    if (clock.now() - heardAt >= silenceMs) return close();
    if (stream.writableLength < mostWaitingBytes) stream.write(beat);
  });
  return {
    send: (peer, payload) => {
      if (!isOpen || stream.writableLength + payload.length > mostWaitingBytes) return false;
      stream.write(encodeFrame({ peer, payload }));
      return true;
    },
    close,
  };
}

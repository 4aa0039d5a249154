/** A stream's other end: reads frames as an agent does and keeps the map they add up to. */
import assert from 'node:assert/strict';
import { gunzipSync } from 'node:zlib';
import { patch } from '../../../shared/delta.ts';
import type { NetworkMap } from '../../../shared/network-map.ts';
import { type Cursor, type FeedFrame, createSseReader, decodeFrame, parseMap } from '../../../shared/protocol.ts';
import type { Sink } from '../../../server/feed/feed.ts';

export interface TestAgent {
  readonly sink: Sink;
  /** Sees all bytes before they are read; may throw as a socket does. */
  onWrite: (bytes: Buffer) => void;
  readonly frames: FeedFrame[];
  map: NetworkMap | undefined;
  isEnded: boolean;
  isDestroyed: boolean;
  /** What the sink says is still in its buffer. */
  buffered: number;
  /** Where the agent stands. */
  cursor(): Cursor | undefined;
  kinds(): string[];
}

/** `map` is what the agent saved before. */
export function testAgent(map?: NetworkMap): TestAgent {
  const read = createSseReader();
  const agent: TestAgent = {
    map,
    frames: [],
    isEnded: false,
    isDestroyed: false,
    buffered: 0,
    onWrite: () => undefined,
    cursor: () => (agent.map === undefined ? undefined : { epoch: agent.map.epoch, revision: agent.map.revision }),
    kinds: () => agent.frames.map(({ kind }) => kind),
    sink: {
      write(bytes) {
        agent.onWrite(bytes);
        assert.ok(!agent.isEnded && !agent.isDestroyed, 'nothing is written after the end');
        for (const event of read(bytes.toString('utf8'))) take(agent, decodeFrame(event));
        return true;
      },
      bufferedBytes: () => agent.buffered,
      drained: () => Promise.resolve(),
      end: () => void (agent.isEnded = true),
      destroy: () => void (agent.isDestroyed = true),
    },
  };
  return agent;
}

function take(agent: TestAgent, frame: FeedFrame): void {
  agent.frames.push(frame);
  const before = agent.map;
  if (frame.kind === 'map') agent.map = frame.map;
  if (frame.kind === 'map-gzip') agent.map = parseMap(gunzipSync(Buffer.from(frame.data, 'base64')).toString('utf8'));
  if (frame.kind === 'delta') {
    assert.ok(agent.map !== undefined, 'a delta needs a map');
    agent.map = patch(agent.map, frame.delta);
  }
  if (frame.kind === 'current') assert.deepEqual({ epoch: frame.epoch, revision: frame.revision }, agent.cursor());
  if (before?.epoch === agent.map?.epoch && before !== undefined) {
    assert.ok((agent.map?.revision ?? 0) >= before.revision, 'an agent never goes back');
  }
}

/** Waits until `holds` without a bare sleep; fails after five seconds. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, `not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

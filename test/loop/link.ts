/**
 * The way between an agent and the server as a test wants it: late, cut, with frames told twice or after the end. Within
 * one stream bytes stay in order, as TCP keeps them. Who is let in is decided as the server's `auth.ts` decides.
 */
import type { ServerLink } from '../../agent/transport.ts';
import { renew } from '../../server/enroll/renew.ts';
import { removeHost } from '../../server/hosts/hosts.ts';
import { takeReport } from '../../server/status/report.ts';
import { type StoredHost, findHost } from '../../server/store/hosts.ts';
import { listLockEntries, readLockHead } from '../../server/store/lock.ts';
import { formatTime } from '../../server/time.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { HostId } from '../../shared/names.ts';
import type { Address } from '../../shared/net/address.ts';
import { type FeedFrame, createSseReader, decodeFrame } from '../../shared/protocol.ts';
import type { Chance } from './random.ts';
import type { SimulatedServer } from './simulated-server.ts';

export interface Weather {
  readonly chance: Chance;
  /** Undefined while the server is down. */
  server(): SimulatedServer | undefined;
  isCut(host: string): boolean;
  /** Longest delay of a frame, ms. */
  readonly latencyMs: number;
  /** Probability that a delta is told twice. */
  readonly repeats: number;
}

export interface SimulatedLink extends ServerLink {
  /** Breaks the open stream, as a lost connection does. */
  breakStream(): void;
}

export function createSimulatedLink(
  weather: Weather,
  own: { name: string; hostId: HostId; address: Address },
): SimulatedLink {
  let breakStream: () => void = () => undefined;
  const gate = async (): Promise<{ server: SimulatedServer; host: StoredHost }> => {
    const server = weather.server();
    if (server === undefined || weather.isCut(own.name)) throw new WarrenError('unreachable', 'no way to the server');
    const host = await findHost(server.deps.store.db, own.hostId);
    if (host === undefined) throw new WarrenError('host-removed', 'this host was removed');
    if (host.state === 'disabled') throw new WarrenError('host-disabled', 'this host is disabled');
    return { server, host };
  };
  return {
    report: async (body) => {
      const { server } = await gate();
      return takeReport(server.deps, { hostId: own.hostId, remoteAddress: own.address }, body);
    },
    renew: async (body) => {
      const { server, host } = await gate();
      const { deps } = server;
      const issued = await deps.store.transact(`host:${host.id}`, (tx) => renew(tx, deps.authority, host, body));
      deps.feed.broadcastStanding(host.id);
      return { certificate: issued.pem, expiresAt: formatTime(issued.expiresAt) };
    },
    lock: async (after) => {
      const { server } = await gate();
      const { db } = server.deps.store;
      return { lock: (await readLockHead(db)) ?? null, entries: await listLockEntries(db, { after }) };
    },
    leave: async () => {
      const { server } = await gate();
      const { store } = server.deps;
      await store.transact(`host:${own.hostId}`, async (tx) => {
        const host = await findHost(tx.db, own.hostId);
        if (host !== undefined) await removeHost(tx, host, 'host.leave');
      });
    },
    look: () => Promise.reject(new WarrenError('unreachable', 'this link has no sockets')),
    openFeed: async (cursor, onFrame, signal) => {
      const { server } = await gate();
      return new Promise<never>((_, reject) => {
        const pipe = openPipe(weather, onFrame, reject);
        breakStream = () => pipe.fail('the connection was lost');
        const session = server.deps.feed.attach({ hostId: own.hostId, cursor, sink: pipe });
        pipe.onClose(() => session.close());
        signal.addEventListener('abort', () => pipe.fail('aborted'), { once: true });
      });
    },
    refresh: () => undefined,
    path: () => undefined,
    close: () => breakStream(),
    breakStream: () => breakStream(),
  };
}

function openPipe(weather: Weather, onFrame: (frame: FeedFrame) => void, reject: (error: unknown) => void) {
  const { chance } = weather;
  const read = createSseReader();
  let arrivesAt = 0;
  let isOpen = true;
  let onClose: () => void = () => undefined;
  const later = (fn: () => void): void => {
    arrivesAt = Math.max(arrivesAt, Date.now() + chance.below(weather.latencyMs + 1));
    setTimeout(fn, arrivesAt - Date.now());
  };
  const fail = (why: string): void => {
    if (!isOpen) return;
    isOpen = false;
    onClose();
    reject(new WarrenError('unreachable', why));
  };
  /** What is under way when a connection breaks may still arrive; the agent must not act on it. */
  const deliver = (text: string): void => {
    try {
      for (const event of read(text)) {
        const frame = decodeFrame(event);
        onFrame(frame);
        if (frame.kind === 'delta' && chance.happens(weather.repeats)) onFrame(frame);
      }
    } catch (error) {
      if (!isOpen) return;
      isOpen = false;
      onClose();
      reject(error);
    }
  };
  return {
    write: (bytes: Buffer): boolean => {
      if (isOpen) later(() => deliver(bytes.toString('utf8')));
      return true;
    },
    bufferedBytes: () => 0,
    drained: () => Promise.resolve(),
    end: () => later(() => fail('the server ended the stream')),
    destroy: () => fail('the server destroyed the stream'),
    fail,
    onClose: (listener: () => void) => (onClose = listener),
  };
}

/**
 * Responses that stay open. `createStreamSocket` writes to the bare socket, past node's response object: no chunk framing,
 * nothing held back until the end of a tick, one shared buffer for every agent. `createOpenStreams` keeps the list of
 * them and cuts the ones whose caller lost its access. What is written is the feed's to say.
 */
import type { TLSSocket } from 'node:tls';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Operation } from '../../shared/api/route.ts';
import type { Deps } from '../deps.ts';
import type { Commit } from '../store/open.ts';
import type { Auth } from './auth.ts';
import type { Principal, StreamSocket } from './handler.ts';

export interface HijackedSocket extends StreamSocket {
  /** Takes the response over and sends the headers, once. */
  begin(): void;
  readonly hasBegun: boolean;
}

/** Connections whose response is a stream: whatever else arrives on one is out of order. */
const taken = new WeakSet<object>();
export const isTaken = (socket: object): boolean => taken.has(socket);

export function createStreamSocket(request: FastifyRequest, reply: FastifyReply): HijackedSocket {
  const socket = request.raw.socket as TLSSocket;
  let hasBegun = false;
  const begin = (): void => {
    if (hasBegun) return;
    hasBegun = true;
    taken.add(socket);
    reply.hijack();
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5000);
    socket.write(headersOf(request.id));
  };
  return {
    begin,
    get hasBegun() {
      return hasBegun;
    },
    write(bytes) {
      begin();
      return socket.destroyed ? false : socket.write(bytes);
    },
    bufferedBytes: () => socket.writableLength,
    drained: () => drained(socket),
    end() {
      begin();
      socket.end();
    },
    destroy: () => socket.destroy(),
    onClose(listener) {
      if (socket.destroyed) queueMicrotask(listener);
      else socket.once('close', listener);
    },
  };
}

function drained(socket: TLSSocket): Promise<void> {
  if (socket.destroyed || !socket.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.once('drain', done).once('close', done);
  });
}

function headersOf(requestId: string): string {
  return (
    'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-store\r\n' +
    `x-content-type-options: nosniff\r\nconnection: close\r\nx-request-id: ${requestId}\r\n\r\n`
  );
}

export interface OpenStreams {
  add(op: Operation, principal: Principal, socket: StreamSocket): void;
  count(): number;
  /** Ends every stream; those whose other end does not read are destroyed after a second. */
  endAll(): void;
  /** Stops looking; streams stay as they are. */
  stop(): void;
}

interface OpenStream {
  readonly op: Operation;
  readonly principal: Principal;
  readonly socket: StreamSocket;
}

/** Streams looked at each second besides those that a commit names: a net under it, cheap at any number of streams. */
const checksPerTick = 100;
const tickMs = 1000;

export function createOpenStreams({ store, clock, log }: Deps, auth: Auth): OpenStreams {
  const streams = new Set<OpenStream>();
  /** By host or key: a commit looks at those it names, not at all of them, before anybody is told. */
  const byCaller = new Map<string, Set<OpenStream>>();
  const cut = (stream: OpenStream, why: unknown): void => {
    log.info({ actor: stream.principal.actor, op: stream.op.id, why: String(why) }, 'stream cut');
    stream.socket.destroy();
  };
  const check = (stream: OpenStream): void => {
    auth.recheck(stream.op, stream.principal).catch((error: unknown) => cut(stream, error));
  };
  const onCommit = (commit: Commit): void => {
    const concerned = new Set<string>([...commit.touched, ...commit.removed]);
    for (const { subject } of commit.audits) if (subject !== null) concerned.add(subject);
    for (const id of concerned) byCaller.get(id)?.forEach(check);
  };
  const unsubscribe = store.onCommit(onCommit);
  let rest: OpenStream[] = [];
  const tick = setInterval(() => {
    const now = clock.now();
    for (const stream of streams) {
      if (stream.principal.kind === 'host' && stream.principal.certificateExpiresAt <= now) check(stream);
    }
    if (rest.length === 0) rest = [...streams];
    for (const stream of rest.splice(0, checksPerTick)) if (streams.has(stream)) check(stream);
  }, tickMs);
  tick.unref();
  return {
    add(op, principal, socket) {
      const stream = { op, principal, socket };
      const id = idOf(principal);
      const siblings = byCaller.get(id) ?? new Set();
      byCaller.set(id, siblings.add(stream));
      streams.add(stream);
      socket.onClose(() => {
        streams.delete(stream);
        siblings.delete(stream);
        if (siblings.size === 0 && byCaller.get(id) === siblings) byCaller.delete(id);
      });
      // Access may have ended between the check of the request and now.
      check(stream);
    },
    count: () => streams.size,
    endAll() {
      for (const { socket } of streams) socket.end();
      setTimeout(() => streams.forEach(({ socket }) => socket.destroy()), 1000).unref();
    },
    stop() {
      unsubscribe();
      clearInterval(tick);
    },
  };
}

function idOf(principal: Principal): string {
  return principal.kind === 'anonymous' ? '' : principal.id;
}

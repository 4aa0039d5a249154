/** HTTPS as the agent needs it, on node:https alone: one request, one long stream. */
import { type IncomingMessage } from 'node:http';
import { type Agent, type AgentOptions, type RequestOptions, request } from 'node:https';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { type HttpReply, type Send, problemError } from '../shared/api/client.ts';
import { WarrenError } from '../shared/errors.ts';
import { type FeedFrame, createSseReader, decodeFrame, protocolHeader, protocolVersion } from '../shared/protocol.ts';
import { version } from '../shared/version.ts';
import type { TlsSession } from './tls-session.ts';

export const serverUri = 'urn:warren:server';
export const answerMs = 10_000;
const maxReplyBytes = 1024 * 1024;

interface Target {
  readonly serverUrl: string;
  readonly agent: Agent;
  readonly session?: TlsSession;
  readonly notePath: (local: string | undefined, server: string | undefined) => void;
}

/** Trust in exactly one CA; the server's certificate must carry its URI, its DNS name does not matter. */
export function tlsOptions(own: { ca: string; key?: string; certificate?: string }): AgentOptions {
  return {
    ca: [own.ca],
    minVersion: 'TLSv1.3',
    checkServerIdentity: (_: string, certificate: PeerCertificate): Error | undefined =>
      hasServerUri(certificate.subjectaltname)
        ? undefined
        : new WarrenError('server-untrusted', `the server's certificate does not carry ${serverUri}`),
    ...(own.key === undefined ? {} : { key: own.key }),
    ...(own.certificate === undefined ? {} : { cert: own.certificate }),
  };
}

export function createSend(target: Target): Send {
  return async (call) => {
    try {
      return await send(target, call);
    } catch (error) {
      // The server closed a kept connection just when it was used again. Every call of an agent may be repeated.
      if (!isStaleSocket(error)) throw error;
      return send(target, call);
    }
  };
}

function send(target: Target, { method, path, headers, body }: Parameters<Send>[0]): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const call = request(requestOptions(target, method, path, { ...headers, ...length }), (reply) => {
      readBody(reply).then(
        (text) => resolve({ status: reply.statusCode ?? 0, headers: flat(reply.headers), body: text }),
        (error: unknown) => reject(explain(error, target.serverUrl)),
      );
    });
    const deadline = setTimeout(() => call.destroy(tooSlow(target.serverUrl)), answerMs);
    call.on('socket', (socket) => watchSocket(socket as TLSSocket, target));
    call.on('error', (error) => {
      if (call.reusedSocket && isReset(error)) Object.assign(error, { isStaleSocket: true });
      reject(isStaleSocket(error) ? error : explain(error, target.serverUrl));
    });
    call.on('close', () => clearTimeout(deadline));
    call.end(body);
  });
}

export interface FeedRequest extends Target {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly onFrame: (frame: FeedFrame) => void;
}

/** Rejects when the stream is over, whatever the reason. */
export function readFeed(feed: FeedRequest): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (error: unknown): void => {
      call.destroy();
      reject(explain(error, feed.serverUrl));
    };
    const options = requestOptions(feed, 'GET', feed.path, { accept: 'text/event-stream', ...feed.headers });
    const call = request({ ...options, signal: feed.signal }, (reply) => {
      clearTimeout(deadline);
      if (reply.statusCode === 200) readFrames(reply, feed.onFrame, fail);
      else readProblem(reply).then(fail, fail);
    });
    const deadline = setTimeout(() => fail(tooSlow(feed.serverUrl)), answerMs);
    call.on('socket', (socket) => watchSocket(socket as TLSSocket, feed));
    call.on('error', fail);
    call.on('close', () => {
      clearTimeout(deadline);
      fail(new WarrenError('unreachable', `the feed of ${feed.serverUrl} ended`));
    });
    call.end();
  });
}

function readFrames(reply: IncomingMessage, onFrame: (frame: FeedFrame) => void, fail: (error: unknown) => void): void {
  const read = createSseReader();
  reply.setEncoding('utf8');
  reply.on('data', (chunk: string) => {
    try {
      for (const event of read(chunk)) onFrame(decodeFrame(event));
    } catch (error) {
      fail(error);
    }
  });
  reply.on('error', fail);
}

/** Node writes the names as `URI:a, DNS:b` and quotes any name that could be mistaken for two. */
export function hasServerUri(names: string | undefined): boolean {
  return (names ?? '').split(', ').includes(`URI:${serverUri}`);
}

function requestOptions(
  target: Target,
  method: string,
  path: string,
  headers: Readonly<Record<string, string | number>>,
): RequestOptions {
  const own = { 'user-agent': `warren/${version}`, [protocolHeader]: String(protocolVersion) };
  const session = target.session?.current();
  return {
    ...(session === undefined ? {} : { session }),
    ...hostOf(target.serverUrl),
    agent: target.agent,
    method,
    path,
    headers: { ...own, ...headers },
  };
}

export function hostOf(serverUrl: string): { hostname: string; port: number } {
  const url = new URL(serverUrl);
  return { hostname: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 443 : Number(url.port) };
}

function watchSocket(socket: TLSSocket, { notePath, session }: Target): void {
  const note = (): void => notePath(socket.localAddress, socket.remoteAddress);
  if (!socket.connecting) return note();
  socket.once('secureConnect', note);
  session?.watch(socket);
}

async function readBody(reply: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxReplyBytes) throw new WarrenError('internal', "the server's answer is longer than 1 MiB");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function readProblem(reply: IncomingMessage): Promise<WarrenError> {
  return problemError({ status: reply.statusCode ?? 0, headers: flat(reply.headers), body: await readBody(reply) });
}

function flat(headers: IncomingMessage['headers']): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

export const tooSlow = (serverUrl: string): WarrenError =>
  new WarrenError('timeout', `${serverUrl} did not answer within ${answerMs / 1000} s`);

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

const isReset = (error: unknown): boolean => codeOf(error) === 'ECONNRESET' || codeOf(error) === 'EPIPE';

const isStaleSocket = (error: unknown): boolean => error instanceof Error && 'isStaleSocket' in error;

/** Faults of the network are `unreachable`; a certificate that does not verify is `server-untrusted`. */
export function explain(error: unknown, serverUrl: string): WarrenError {
  if (error instanceof WarrenError) return error;
  const why = error instanceof Error ? error.message : String(error);
  if (/CERT|SELF_SIGNED|UNABLE_TO|PATH_LENGTH|INVALID_CA|ERR_TLS/.test(codeOf(error))) {
    return new WarrenError('server-untrusted', `${serverUrl} is not the server that was pinned: ${why}`, {
      cause: error,
    });
  }
  return new WarrenError('unreachable', `cannot reach ${serverUrl}: ${why}`, { cause: error });
}

/**
 * HTTPS to the coordination server for admin commands. With a pinned CA the server proves itself by that CA and by the
 * URI `urn:warren:server` or the host name; without one, by the machine's own trust store and the host name.
 */
import type { IncomingMessage } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { type PeerCertificate, checkServerIdentity } from 'node:tls';
import type { HttpReply, HttpRequest, Send } from '../../shared/api/client.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Secret } from '../../shared/secret.ts';

export interface Connection {
  readonly serverUrl: string;
  readonly key: Secret;
  /** PEM of the only CA to trust; undefined: the machine's trust store. */
  readonly caPem: string | undefined;
}

const timeoutMs = 20_000;
const retryDelaysMs = [250, 1000];
const maxBodyBytes = 64 * 1024 * 1024;

/** Tries again where that is safe: a GET, or a mutation whose idempotency key gets the first try's answer. */
export function createSend(connection: Connection): Send {
  return async (call) => {
    for (const pauseMs of retryDelaysMs) {
      try {
        const reply = await exchange(connection, call);
        if (reply.status !== 503) return reply;
      } catch (error) {
        if (!(error instanceof WarrenError) || !wasCutOff(error)) throw error;
      }
      await delay(pauseMs);
    }
    return exchange(connection, call);
  };
}

/** Opens a stream of text that ends when the server ends it. Throws like a call where it cannot be opened. */
export async function openStream(connection: Connection, path: string): Promise<AsyncIterable<string>> {
  const call = { method: 'GET', path, headers: { accept: 'text/event-stream' }, body: undefined };
  const response = await open(connection, call, undefined);
  if (response.statusCode !== 200) {
    response.resume();
    throw new WarrenError('unreachable', `the server answered ${response.statusCode} to ${path}`);
  }
  return response.setEncoding('utf8') as AsyncIterable<string>;
}

async function exchange(connection: Connection, call: HttpRequest): Promise<HttpReply> {
  const response = await open(connection, call, timeoutMs);
  try {
    return { status: response.statusCode ?? 0, headers: plainHeaders(response), body: await readBody(response) };
  } catch (error) {
    throw error instanceof WarrenError ? error : transportError(error, connection);
  }
}

function open(connection: Connection, call: HttpRequest, limitMs: number | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = request(connection.serverUrl + call.path, options(connection, call), resolve);
    outgoing.on('error', (error) => reject(transportError(error, connection)));
    if (limitMs !== undefined) {
      outgoing.setTimeout(limitMs, () => {
        outgoing.destroy(new WarrenError('timeout', `${connection.serverUrl} did not answer in ${limitMs / 1000} s`));
      });
    }
    outgoing.end(call.body);
  });
}

function options({ key, caPem }: Connection, call: HttpRequest): RequestOptions {
  const length = call.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(call.body)) };
  return {
    method: call.method,
    agent: false,
    minVersion: 'TLSv1.3',
    headers: { ...call.headers, ...length, authorization: `Bearer ${key.reveal()}` },
    ...(caPem === undefined ? {} : { ca: caPem, checkServerIdentity: checkPinned }),
  };
}

/** The chain to the pinned CA is verified before this; any of its servers' names or its server URI will do. */
function checkPinned(host: string, certificate: PeerCertificate): Error | undefined {
  const names = (certificate.subjectaltname ?? '').split(', ');
  return names.includes('URI:urn:warren:server') ? undefined : checkServerIdentity(host, certificate);
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new WarrenError('internal', "the server's answer is longer than 64 MiB");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function plainHeaders(response: IncomingMessage): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

/** The request may have reached the server, but its answer did not reach us. */
function wasCutOff({ cause }: WarrenError): boolean {
  return cause instanceof Error && 'code' in cause && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE');
}

function transportError(error: unknown, { serverUrl, caPem }: Connection): WarrenError {
  if (error instanceof WarrenError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = error instanceof Error && error.message !== '' ? error.message : code;
  if (/CERT|SIGNATURE|ISSUER|ALTNAME/.test(code)) {
    const remedy =
      caPem === undefined ? "give the server's ca.crt by --ca FILE or WARREN_CA" : 'check --ca and --server';
    return new WarrenError('server-untrusted', `${serverUrl} is not trusted (${reason}); ${remedy}`, { cause: error });
  }
  return new WarrenError('unreachable', `${serverUrl} cannot be reached (${reason})`, { cause: error });
}

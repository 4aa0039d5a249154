import type { KeyObject } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { HttpReply, HttpRequest } from '../../../shared/api/client.ts';
import { type FeedFrame, createSseReader, decodeFrame } from '../../../shared/protocol.ts';

/** How a caller proves who it is: an API key, a client certificate, or nothing. */
export interface Identity {
  readonly bearer?: string | undefined;
  readonly agent?: { readonly certificate: string; readonly key: KeyObject } | undefined;
}

function connect(port: number, path: string, method: string, headers: Record<string, string>, identity: Identity) {
  const { bearer, agent } = identity;
  const authorization = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  const client =
    agent === undefined
      ? {}
      : { cert: agent.certificate, key: agent.key.export({ type: 'pkcs8', format: 'pem' }).toString() };
  return request({
    host: '127.0.0.1',
    port,
    path,
    method,
    agent: false,
    rejectUnauthorized: false,
    ...client,
    headers: { ...headers, ...authorization },
  });
}

export function exchange(port: number, call: HttpRequest, identity: Identity): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const outgoing = connect(port, call.path, call.method, { ...call.headers }, identity);
    outgoing.once('error', reject);
    outgoing.once('response', (incoming) => {
      collect(incoming).then(
        (body) => resolve({ status: incoming.statusCode ?? 0, headers: flat(incoming), body }),
        reject,
      );
    });
    outgoing.end(call.body);
  });
}

async function collect(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

const flat = ({ headers }: IncomingMessage): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

export function openStream(
  port: number,
  path: string,
  { cursor, ...identity }: Identity & { cursor?: string | undefined },
): Promise<OpenStream> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string> = cursor === undefined ? {} : { 'last-event-id': cursor };
    const outgoing = connect(port, path, 'GET', headers, identity);
    outgoing.once('error', reject);
    outgoing.once('response', (incoming) => {
      const frames: FeedFrame[] = [];
      let text = '';
      let isClosed = false;
      const readEvents = createSseReader();
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk: string) => {
        text += chunk;
        if (path.startsWith('/agent/')) frames.push(...readEvents(chunk).map(decodeFrame));
      });
      incoming.on('error', () => undefined);
      incoming.once('close', () => (isClosed = true));
      outgoing.on('error', () => undefined);
      const close = (): void => void outgoing.destroy();
      resolve({ status: incoming.statusCode ?? 0, frames, text: () => text, isClosed: () => isClosed, close });
    });
    outgoing.end();
  });
}

export interface OpenStream {
  readonly status: number;
  readonly frames: FeedFrame[];
  readonly text: () => string;
  readonly isClosed: () => boolean;
  close(): void;
}

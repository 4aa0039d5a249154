/**
 * One connection to the server from the beginning, timed: what netcheck tells of it. Nothing kept is used, so that what
 * works only because it stands already is found out. Throws as every call of the agent does.
 */
import { Agent, request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { showHealth } from '../../shared/api/server.ts';
import { WarrenError } from '../../shared/errors.ts';
import { type Address, isAddress } from '../../shared/net/address.ts';
import { explain, hostOf, tlsOptions } from '../https.ts';
import type { Credentials } from '../state.ts';

export interface ServerLook {
  readonly local: Address | undefined;
  readonly server: Address | undefined;
  /** Milliseconds until TCP stood, then until TLS did, then until the first byte of the answer came. */
  readonly connectMs: number;
  readonly tlsMs: number;
  readonly answerMs: number;
  /** HTTP status of `/healthz`. */
  readonly status: number;
  /** The server's clock by its `Date` header (RFC 9110, 6.6.1), cut to the second; ms since 1970. */
  readonly serverTime: number | undefined;
  /** This host's clock when the request went out and when the answer came. */
  readonly sentAt: number;
  readonly answeredAt: number;
}

const deadlineMs = 5_000;

export function lookAtServer(serverUrl: string, own: Credentials, now: () => number): Promise<ServerLook> {
  const agent = new Agent({ keepAlive: false, maxCachedSessions: 0, ...tlsOptions(own) });
  const began = performance.now();
  const marks = { connected: began, secured: began, sentAt: now() };
  return new Promise<ServerLook>((resolve, reject) => {
    const options = { ...hostOf(serverUrl), agent, method: showHealth.method, path: showHealth.path };
    const call = request(options, (reply) => {
      const { localAddress, remoteAddress } = reply.socket;
      reply.resume();
      resolve({
        local: addressOf(localAddress),
        server: addressOf(remoteAddress),
        connectMs: round(marks.connected - began),
        tlsMs: round(marks.secured - marks.connected),
        answerMs: round(performance.now() - marks.secured),
        status: reply.statusCode ?? 0,
        serverTime: timeIn(reply.headers.date),
        sentAt: marks.sentAt,
        answeredAt: now(),
      });
    });
    call.on('socket', (socket) => {
      socket.once('connect', () => (marks.connected = performance.now()));
      (socket as TLSSocket).once('secureConnect', () => {
        marks.secured = performance.now();
        marks.sentAt = now();
      });
    });
    const deadline = setTimeout(
      () => call.destroy(new WarrenError('timeout', `${serverUrl} did not answer within ${deadlineMs / 1000} s`)),
      deadlineMs,
    );
    call.on('error', (error) => reject(explain(error, serverUrl)));
    call.on('close', () => clearTimeout(deadline));
    call.end();
  }).finally(() => agent.destroy());
}

function addressOf(text: string | undefined): Address | undefined {
  const bare = text?.replace(/^::ffff:(?=\d+\.)/, '');
  return bare !== undefined && isAddress(bare) ? bare : undefined;
}

function timeIn(header: string | undefined): number | undefined {
  const time = Date.parse(header ?? '');
  return Number.isNaN(time) ? undefined : time;
}

const round = (ms: number): number => Math.round(ms * 10) / 10;

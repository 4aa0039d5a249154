/**
 * All that an agent says to its server, as one interface; tests put a server in the same process behind it. The real one
 * speaks HTTPS with the host's client certificate, trusts the one CA that was pinned at enrollment, and wants the
 * certificate to carry the server's URI. It knows nothing of maps, retries or times to wait.
 */
import { Agent } from 'node:https';
import type { z } from 'zod';
import { leaveMesh, renewCertificate } from '../shared/api/enroll.ts';
import { type LockPage, fetchLock } from '../shared/api/lock.ts';
import { openFeed } from '../shared/api/feed.ts';
import { createCall } from '../shared/api/client.ts';
import { type ReportBody, sendReport } from '../shared/api/report.ts';
import { isAddress, type Address } from '../shared/net/address.ts';
import { type Cursor, type FeedFrame, formatCursor } from '../shared/protocol.ts';
import { createSend, readFeed, tlsOptions } from './https.ts';
import { fetchSuccessor } from './server-ca.ts';
import { WarrenError } from '../shared/errors.ts';
import { type ServerLook, lookAtServer } from './netcheck/server-look.ts';
import type { Credentials } from './state.ts';
import { createTlsSession } from './tls-session.ts';

export interface ServerLink {
  /** Answers the server's position. */
  report(body: ReportBody): Promise<Cursor>;
  renew(body: z.input<typeof renewCertificate.body>): Promise<z.output<typeof renewCertificate.reply>>;
  /** The log of the lock from place `after`. */
  lock(after: number): Promise<LockPage>;
  leave(): Promise<void>;
  /** One connection from the beginning, timed. `now`: this host's clock. */
  look(now: () => number): Promise<ServerLook>;
  /**
   * Streams frames to `onFrame` until the stream ends, which always rejects: with the server's reason, with what
   * `onFrame` threw, or with `unreachable`.
   */
  openFeed(cursor: Cursor | undefined, onFrame: (frame: FeedFrame) => void, signal: AbortSignal): Promise<never>;
  /** The credentials in the state directory changed; later calls use the new ones. */
  refresh(): void;
  /** Both ends of the last connection that stood; undefined before the first. */
  path(): ServerPath | undefined;
  close(): void;
}

export interface ServerPath {
  /** This host's address on the way to the server. */
  readonly local: Address;
  readonly server: Address;
}

/** `keepCa` saves the CA that proved to follow the one in the credentials, which are read again then. */
export function createLink(
  serverUrl: string,
  readCredentials: () => Promise<Credentials>,
  keepCa: (pem: string) => Promise<void>,
): ServerLink {
  let open: Promise<Agent> | undefined;
  let session = createTlsSession();
  let path: ServerPath | undefined;
  const drop = (): void => {
    void open?.then((agent) => agent.destroy()).catch(() => undefined);
    open = undefined;
    // A session carries the certificate it was begun with.
    session = createTlsSession();
  };
  const pool = (): Promise<Agent> => {
    const made =
      open ??
      readCredentials().then(
        (own) => new Agent({ keepAlive: true, maxFreeSockets: 1, maxCachedSessions: 0, ...tlsOptions(own) }),
      );
    open = made;
    made.catch(() => (open = open === made ? undefined : open));
    return made;
  };
  const notePath = (local: string | undefined, server: string | undefined): void => {
    const ends = [local, server].map((address) => address?.replace(/^::ffff:/, ''));
    if (ends[0] !== undefined && ends[1] !== undefined && isAddress(ends[0]) && isAddress(ends[1])) {
      path = { local: ends[0], server: ends[1] };
    }
  };
  const follow = async (): Promise<boolean> => {
    const pem = await fetchSuccessor(serverUrl, (await readCredentials()).ca);
    if (pem === undefined) return false;
    await keepCa(pem);
    drop();
    return true;
  };
  /** A server that is not trusted may have a new CA, which the one that is trusted vouches for. */
  const trusting = async <T>(attempt: () => Promise<T>): Promise<T> => {
    try {
      return await attempt();
    } catch (error) {
      const isUntrusted = error instanceof WarrenError && error.code === 'server-untrusted';
      if (!isUntrusted || !(await follow())) throw error;
      return attempt();
    }
  };
  const call = createCall((request) =>
    trusting(async () => createSend({ serverUrl, agent: await pool(), session, notePath })(request)),
  );
  return {
    report: (body) => call(sendReport, { body }),
    renew: (body) => call(renewCertificate, { body }),
    lock: (after) => call(fetchLock, { query: { after } }),
    leave: () => call(leaveMesh),
    look: async (now) => lookAtServer(serverUrl, await readCredentials(), now),
    openFeed: async (cursor, onFrame, signal) => {
      const headers = cursor === undefined ? {} : { 'last-event-id': formatCursor(cursor) };
      return trusting(async () => {
        const agent = await pool();
        return readFeed({ serverUrl, agent, session, path: openFeed.path, headers, signal, notePath, onFrame });
      });
    },
    refresh: drop,
    path: () => path,
    close: drop,
  };
}

/** The server's own certificate: which names it carries, and its renewal while the server runs. */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { Server } from 'node:https';
import { isAddress } from '../../shared/net/address.ts';
import { tlsOptions } from './tls.ts';
import type { ServerConfig } from '../config.ts';
import type { Deps } from '../deps.ts';
import { type ServerCredentials, type ServerNames, serverCertificateLifetime } from './signer.ts';

/** What people and programs may call the server by. Agents look at the CA and the URI name only. */
export function serverNames({ url, listen }: Pick<ServerConfig, 'url' | 'listen'>): ServerNames {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  const all = [host, 'localhost', '127.0.0.1', '::1', hostname().toLowerCase(), listen.host.toLowerCase()];
  const unique = [...new Set(all)];
  return {
    dnsNames: unique.filter((name) => isIP(name) === 0 && /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)),
    addresses: unique.filter((name) => isAddress(name) && name !== '0.0.0.0' && name !== '::'),
  };
}

const checkEveryMs = 60_000;
/** A clock that was set back by less than this needs no new certificate: they begin a day in the past. */
const setBackMs = 3_600_000;

/**
 * Puts a new certificate for the same key in place after two thirds of the old one's life, when the CA is another one, and when
 * the clock was ahead as the old one was made, so that nobody else finds it valid yet. Answers how to stop.
 */
export function keepCredentialsFresh(
  deps: Pick<Deps, 'authority' | 'clock' | 'log'>,
  names: ServerNames,
  first: ServerCredentials,
  server: Server,
  everyMs = checkEveryMs,
): () => void {
  let { expiresAt } = first;
  const renew = (): void => {
    try {
      const fresh = deps.authority.serverCredentials(names);
      server.setSecureContext(tlsOptions(deps, fresh));
      expiresAt = fresh.expiresAt;
      deps.log.info({ expiresAt: new Date(expiresAt).toISOString() }, 'server certificate renewed');
    } catch (error) {
      deps.log.error({ err: error }, 'server certificate not renewed, trying again in a minute');
    }
  };
  const timer = setInterval(() => {
    const left = expiresAt - deps.clock.now();
    if (left <= serverCertificateLifetime / 3 || left >= serverCertificateLifetime + setBackMs) renew();
  }, everyMs);
  timer.unref();
  deps.authority.onChange(() => {
    expiresAt = 0;
    renew();
  });
  return () => clearInterval(timer);
}

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

const checkEveryMs = 3_600_000;

/**
 * Puts a new certificate for the same key in place after two thirds of the old one's life, and when the CA is another one.
 * Answers how to stop.
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
      deps.log.error({ err: error }, 'server certificate not renewed, trying again in an hour');
    }
  };
  const timer = setInterval(() => {
    if (deps.clock.now() >= expiresAt - serverCertificateLifetime / 3) renew();
  }, everyMs);
  timer.unref();
  deps.authority.onChange(() => {
    expiresAt = 0;
    renew();
  });
  return () => clearInterval(timer);
}

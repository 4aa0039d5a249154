/** A server's side of renewal, held in memory: a real CA over the test's clock, and the one key on record. */
import { randomBytes } from 'node:crypto';
import type { ServerLink } from '../../agent/transport.ts';
import { type Authority, loadOrCreateAuthority } from '../../server/pki/authority.ts';
import { parseHostId } from '../../shared/names.ts';
import { createMemoryKeys } from '../server/pki/memory-keys.ts';
import { hostId } from './mesh-map.ts';

export interface RenewingServer {
  readonly authority: Authority;
  /** The host's WireGuard key as the server knows it. */
  publicKey: string;
  /** Keys that were asked for, one per request that arrived. */
  readonly requests: string[];
  /** A certificate for `csr`, from now on. */
  issue(csr: string): string;
  readonly renew: ServerLink['renew'];
}

export async function createRenewingServer(clock: { now(): number }, publicKey: string): Promise<RenewingServer> {
  const authority = await loadOrCreateAuthority({ keys: createMemoryKeys(), clock, random: randomBytes });
  const issue = (csrPem: string) =>
    authority.issueHostCertificate({ hostId: parseHostId(hostId(1)), csrPem, now: clock.now() });
  const server: RenewingServer = {
    authority,
    publicKey,
    requests: [],
    issue: (csr) => issue(csr).pem,
    renew: (body) => {
      server.requests.push(body.publicKey);
      const { pem, expiresAt } = issue(body.csr);
      server.publicKey = body.publicKey;
      return Promise.resolve({ certificate: pem, expiresAt: new Date(expiresAt).toISOString() });
    },
  };
  return server;
}

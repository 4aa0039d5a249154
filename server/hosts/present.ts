/** Hosts as the API shows them: the row, what the host holds of the pools, and what is known of it right now. */
import type { Host } from '../../shared/api/hosts.ts';
import type { Address } from '../../shared/net/address.ts';
import type { Deps } from '../deps.ts';
import { readCertificateEnds } from '../store/certificates.ts';
import type { StoredHost } from '../store/hosts.ts';
import { type StoredLease, readLeases } from '../store/leases.ts';
import type { Db } from '../store/open.ts';
import { formatMaybe, formatTime } from '../time.ts';
import { publishedEndpoints } from './endpoints.ts';
import { type NowOfHost, nowOfHost } from './now.ts';

export async function presentHosts(deps: Deps, db: Db, hosts: readonly StoredHost[]): Promise<Host[]> {
  const ids = hosts.map((host) => host.id);
  const [leases, ends] = await Promise.all([readLeases(db, ids), readCertificateEnds(db, ids)]);
  return hosts.map((host) =>
    presentRow(host, {
      leases: leases.get(host.id) ?? [],
      certificateEnd: ends.get(host.id),
      now: nowOfHost(deps, host),
    }),
  );
}

export async function presentHost(deps: Deps, db: Db, host: StoredHost): Promise<Host> {
  const [presented] = await presentHosts(deps, db, [host]);
  if (presented === undefined) throw new RangeError('one host gives one presentation');
  return presented;
}

interface Around {
  readonly leases: readonly StoredLease[];
  readonly certificateEnd: number | undefined;
  readonly now: NowOfHost;
}

function presentRow(host: StoredHost, { leases, certificateEnd, now }: Around): Host {
  return {
    id: host.id,
    name: host.name,
    state: host.state,
    tags: [...host.tags],
    publicKey: host.publicKey,
    addresses: leases.filter((lease) => lease.kind === 'overlay').map(bareAddress),
    leases: leases.filter((lease) => lease.kind === 'container').map((lease) => lease.prefix),
    endpoints: publishedEndpoints(host),
    nat: host.nat,
    isRelay: host.isRelay,
    isEphemeral: host.isEphemeral,
    isOnline: now.isOnline,
    isGone: host.isGone,
    isRotationDue: host.isRotationDue,
    lastSeenAt: formatMaybe(now.seenAt),
    appliedRevision: now.appliedRevision,
    agentVersion: now.agentVersion,
    containers: now.containers,
    certificateExpiresAt: formatMaybe(certificateEnd),
    createdAt: formatTime(host.createdAt),
    enrolledAt: formatMaybe(host.enrolledAt),
    version: host.version,
  };
}

const bareAddress = ({ prefix }: StoredLease): Address => prefix.slice(0, prefix.indexOf('/')) as Address;

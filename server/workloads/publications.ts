/**
 * Published ports: what operators do with them. A port of a host leads to one service only, and never takes away what
 * the mesh itself needs there.
 */
import { WarrenError } from '../../shared/errors.ts';
import type { HostId } from '../../shared/names.ts';
import { splitEndpoint } from '../../shared/net/endpoint.ts';
import type { Publication, Transport } from '../../shared/workload.ts';
import { publishedEndpoints } from '../hosts/endpoints.ts';
import { type StoredHost, readHost } from '../store/hosts.ts';
import { findListener } from '../store/listeners.ts';
import type { Db, Tx } from '../store/open.ts';
import {
  type StoredPublication,
  countPublications,
  deletePublication,
  insertPublication,
  listPublicationsOfPort,
  readPublication,
} from '../store/publications.ts';
import { refusePort } from './refuse-port.ts';

/** A map holds no more. */
export const maxPublications = 1024;

type Spec = Omit<Publication, 'id'>;

/** Throws `not-found` for the host, `conflict` where the port is not to be had. */
export async function createPublication(tx: Tx, spec: Spec, serverUrl: string): Promise<StoredPublication> {
  const host = spec.hostId === null ? undefined : await readHost(tx.db, spec.hostId);
  refusePort(spec, {
    host: host?.name,
    listener: await findListener(tx.db, spec),
    serverUrl,
    isServerBeside: (address) => host === undefined || isAt(host, address),
  });
  await refuseTaken(tx.db, spec);
  if ((await countPublications(tx.db)) >= maxPublications) {
    throw new WarrenError('conflict', `${maxPublications} ports are published, the most there may be; take some back`);
  }
  const made = await insertPublication(tx, spec);
  tx.touchMesh();
  const { service, targetPort, protocol, port, hostId } = spec;
  tx.audit('publication.create', made.id, { service, targetPort, protocol, port, host: hostId });
  return made;
}

/** Throws `not-found`. */
export async function removePublication(tx: Tx, id: string): Promise<void> {
  const { service, protocol, port, hostId } = await readPublication(tx.db, id);
  await deletePublication(tx, id);
  tx.touchMesh();
  tx.audit('publication.remove', id, { service, protocol, port, host: hostId });
}

/** Two with one port may stand side by side only where each has a host of its own. */
async function refuseTaken(db: Db, spec: { port: number; protocol: Transport; hostId: HostId | null }): Promise<void> {
  const { port, protocol, hostId } = spec;
  const rivals = await listPublicationsOfPort(db, { port, protocol });
  const rival = rivals.find((one) => one.hostId === null || hostId === null || one.hostId === hostId);
  if (rival === undefined) return;
  const where = rival.hostName === null ? 'every host' : `host ${rival.hostName}`;
  throw new WarrenError(
    'conflict',
    `${port}/${protocol} on ${where} leads to ${rival.service}:${rival.targetPort} already (${rival.id}); choose another port, or take that one back with \`warren unpublish ${rival.id}\``,
    { field: 'port' },
  );
}

const isAt = (host: StoredHost, address: string): boolean =>
  publishedEndpoints(host).some((endpoint) => splitEndpoint(endpoint).address === address);

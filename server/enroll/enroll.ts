/**
 * Enrollment: a token and a certificate request become a host, in one transaction that either leaves all of it (token
 * used, host, addresses, lease, certificate, audit) or nothing. The identity key behind the request is what a host is
 * known by; what it may advertise is only noted, an operator decides.
 */
import type { z } from 'zod';
import type { enrollHost as enrollOp } from '../../shared/api/enroll.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Address } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { Secret } from '../../shared/secret.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import { endpointFields } from '../hosts/endpoints.ts';
import type { Authority } from '../pki/authority.ts';
import type { HostCertificate } from '../pki/signer.ts';
import {
  type StoredHost,
  findHostByIdentity,
  findHostByName,
  findHostByPublicKey,
  insertHost,
  updateHost,
} from '../store/hosts.ts';
import { leaseAddresses } from '../store/leases.ts';
import { readLockHead } from '../store/lock.ts';
import type { Tx } from '../store/open.ts';
import { listAllPools } from '../store/pools.ts';
import type { StoredToken } from '../store/tokens.ts';
import { replaceWishes } from '../subnets/wishes.ts';
import { authenticateToken, consumeToken } from '../tokens/tokens.ts';
import { issueCertificate } from './certificates.ts';

export interface EnrollRequest {
  readonly body: z.output<typeof enrollOp.body>;
  /** Where the request came from. */
  readonly remoteAddress: Address;
  readonly serverUrl: string;
}

export interface Enrolled {
  readonly host: StoredHost;
  readonly certificate: HostCertificate;
}

/** Throws `token-invalid`, `csr-invalid`, `name-taken`, `public-key-taken`, `pool-exhausted`, `prefix-*`. */
export async function enroll(tx: Tx, authority: Authority, request: EnrollRequest): Promise<Enrolled> {
  const { body, serverUrl } = request;
  const token = await authenticateToken(tx, { id: body.tokenId, secret: new Secret(body.tokenSecret) });
  const identitySpki = authority.readCsr(body.csr).spkiHash;
  const known = await findHostByIdentity(tx.db, identitySpki);
  const isRepeat = known?.tokenId === token.id;
  // The first answer may have been lost; the machine that used the token asks again for free.
  if (!isRepeat) await consumeToken(tx, token);
  await refuseTakenKey(tx, body.publicKey, known);
  const meshPools = (await listAllPools(tx.db)).map((pool) => pool.prefix);
  const facts = factsOf(request, { identitySpki, tokenId: token.id, meshPools });
  const host = known === undefined ? await admit(tx, facts, token) : await readmit(tx, known, facts, token);
  await leaseAddresses(tx, host.id);
  await replaceWishes(tx, host.id, body.advertise, serverUrl);
  const certificate = await issueCertificate(tx, authority, { hostId: host.id, csr: body.csr });
  if (host.state === 'active') tx.touchHost(host.id);
  tx.audit('host.enroll', host.id, {
    name: host.name,
    token: token.id,
    state: host.state,
    again: known !== undefined,
    advertise: body.advertise.map((wish) => wish.prefix),
  });
  return { host, certificate };
}

/** Throws `public-key-taken`: two hosts with one key would take turns in everybody's peer list. */
export async function refuseTakenKey(tx: Tx, publicKey: PublicKey, own: StoredHost | undefined): Promise<void> {
  const other = await findHostByPublicKey(tx.db, publicKey);
  if (other === undefined || other.id === own?.id) return;
  throw new WarrenError(
    'public-key-taken',
    'this WireGuard key belongs to another host; remove that host, or make a new key (a cloned machine needs its own)',
    { field: 'publicKey' },
  );
}

type Facts = ReturnType<typeof factsOf>;

function factsOf(
  { body, remoteAddress }: EnrollRequest,
  { identitySpki, tokenId, meshPools }: { identitySpki: string; tokenId: string; meshPools: readonly Cidr[] },
) {
  return {
    name: body.name,
    publicKey: body.publicKey,
    identitySpki,
    ...endpointFields(body, remoteAddress, meshPools),
    isGone: false,
    agentVersion: body.agentVersion,
    tokenId,
  };
}

/** A machine that was not known: it takes over the host registered by its name, or becomes a new one. */
async function admit(tx: Tx, facts: Facts, token: StoredToken): Promise<StoredHost> {
  const namesake = await findHostByName(tx.db, facts.name);
  if (namesake !== undefined && namesake.state !== 'registered') throw nameTaken(namesake);
  const fields = {
    ...facts,
    state: (await isLetInAtOnce(tx, token)) ? ('active' as const) : ('pending' as const),
    tags: mergeTags(namesake?.tags ?? [], token.tags),
    isEphemeral: token.isEphemeral,
    enrolledAt: tx.now,
    lastSeenAt: tx.now,
  };
  return namesake === undefined ? insertHost(tx, fields) : updateHost(tx, namesake.id, fields);
}

/** A machine that enrolls again: it keeps id, addresses, lease and what operators decided. A new name must be free. */
async function readmit(tx: Tx, known: StoredHost, facts: Facts, token: StoredToken): Promise<StoredHost> {
  const isFree = (await findHostByName(tx.db, facts.name)) === undefined;
  const isRepeat = known.tokenId === token.id;
  return updateHost(tx, known.id, {
    ...facts,
    name: isFree ? facts.name : known.name,
    state: known.state === 'pending' && (await isLetInAtOnce(tx, token)) ? 'active' : known.state,
    tags: isRepeat ? known.tags : mergeTags(known.tags, token.tags),
    isEphemeral: isRepeat ? known.isEphemeral : token.isEphemeral,
    isRotationDue: known.isRotationDue && facts.publicKey === known.publicKey,
    lastSeenAt: tx.now,
  });
}

/** In a locked mesh no token is enough: the host waits until a key of the lock has signed it. */
async function isLetInAtOnce(tx: Tx, { isAutoApprove }: StoredToken): Promise<boolean> {
  return isAutoApprove && (await readLockHead(tx.db)) === undefined;
}

const maxTags = 32;

function mergeTags(own: readonly string[], added: readonly string[]): string[] {
  const tags = [...new Set([...own, ...added])];
  if (tags.length <= maxTags) return tags;
  throw new WarrenError('conflict', `the host would have ${tags.length} tags, more than ${maxTags}; take some off it`);
}

function nameTaken(namesake: StoredHost): WarrenError {
  const remedy = 'give another one with --name, or remove that host first';
  return new WarrenError('name-taken', `the name '${namesake.name}' belongs to another host; ${remedy}`, {
    field: 'name',
  });
}

/** Client certificates the server issued; what counts is this row and the host's state, not the certificate alone. */
import type { HostId, HostName } from '../../shared/names.ts';
import type { Db } from './schema.ts';
import type { Tx } from './transact.ts';

export interface StoredCertificate {
  /** Lower-case hex. */
  readonly serial: string;
  readonly hostId: HostId;
  /** SHA-256 of the certificate's SubjectPublicKeyInfo. */
  readonly spkiHash: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly revokedAt: number | null;
}

export async function findCertificate(db: Db, serial: string): Promise<StoredCertificate | undefined> {
  return db.selectFrom('certificate').select(columns).where('serial', '=', serial).executeTakeFirst();
}

/** When the last valid certificate of each host ends (ms); hosts without one are left out. */
export async function readCertificateEnds(db: Db, hostIds: readonly HostId[]): Promise<Map<HostId, number>> {
  if (hostIds.length === 0) return new Map();
  const rows = await db
    .selectFrom('certificate')
    .select(({ fn }) => ['host_id as hostId', fn.max('not_after').as('notAfter')])
    .where('host_id', 'in', hostIds)
    .where('revoked_at', 'is', null)
    .groupBy('host_id')
    .execute();
  return new Map(rows.map(({ hostId, notAfter }) => [hostId, notAfter]));
}

export async function insertCertificate(tx: Tx, certificate: Omit<StoredCertificate, 'revokedAt'>): Promise<void> {
  await tx.db
    .insertInto('certificate')
    .values({
      serial: certificate.serial,
      host_id: certificate.hostId,
      spki_hash: certificate.spkiHash,
      not_before: certificate.notBefore,
      not_after: certificate.notAfter,
      revoked_at: null,
    })
    .execute();
}

/** Revokes every certificate of a host but `except`; answers how many. */
export async function revokeCertificates(tx: Tx, hostId: HostId, except?: string): Promise<number> {
  const { numUpdatedRows } = await tx.db
    .updateTable('certificate')
    .set({ revoked_at: tx.now })
    .where('host_id', '=', hostId)
    .where('revoked_at', 'is', null)
    .where('serial', '!=', except ?? '')
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/** Revokes every certificate of a host from `at` (ms) on; one that is revoked earlier stays so. */
export async function limitCertificates(tx: Tx, hostId: HostId, at: number): Promise<void> {
  await tx.db
    .updateTable('certificate')
    .set({ revoked_at: at })
    .where('host_id', '=', hostId)
    .where((eb) => eb.or([eb('revoked_at', 'is', null), eb('revoked_at', '>', at)]))
    .execute();
}

/** Names of active hosts whose newest valid certificate begins at `until` (ms) or earlier. */
export async function findHostsBehind(db: Db, until: number, now: number): Promise<HostName[]> {
  const rows = await db
    .selectFrom('certificate')
    .innerJoin('host', 'host.id', 'certificate.host_id')
    .select('host.name')
    .where('host.state', '=', 'active')
    .where('certificate.not_after', '>', now)
    .where((eb) => eb.or([eb('certificate.revoked_at', 'is', null), eb('certificate.revoked_at', '>', now)]))
    .groupBy('host.id')
    .having(({ fn }) => fn.max('certificate.not_before'), '<=', until)
    .orderBy('host.name')
    .execute();
  return rows.map(({ name }) => name);
}

/** Revokes what begins at `until` (ms) or earlier, of every host; answers how many. */
export async function revokeIssuedUntil(tx: Tx, until: number): Promise<number> {
  const { numUpdatedRows } = await tx.db
    .updateTable('certificate')
    .set({ revoked_at: tx.now })
    .where('not_before', '<=', until)
    .where((eb) => eb.or([eb('revoked_at', 'is', null), eb('revoked_at', '>', tx.now)]))
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/**
 * Forgets certificates that ended before `before` (ms) and were renewed since. The last one of a host stays as long as the
 * host: a clock that is weeks ahead for a moment would otherwise lock everybody out for good.
 */
export async function pruneCertificates(tx: Tx, before: number): Promise<number> {
  const { numDeletedRows } = await tx.db
    .deleteFrom('certificate')
    .where('not_after', '<', before)
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('certificate as later')
          .select('later.serial')
          .whereRef('later.host_id', '=', 'certificate.host_id')
          .whereRef('later.not_after', '>', 'certificate.not_after'),
      ),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}

const columns = [
  'serial',
  'host_id as hostId',
  'spki_hash as spkiHash',
  'not_before as notBefore',
  'not_after as notAfter',
  'revoked_at as revokedAt',
] as const;

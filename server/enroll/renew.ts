/** Renewal: a host that proves its old certificate gets a new one, and may replace its keys at the same time. */
import type { z } from 'zod';
import type { renewCertificate as renewOp } from '../../shared/api/enroll.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Authority } from '../pki/authority.ts';
import type { HostCertificate } from '../pki/signer.ts';
import { type StoredHost, findHostByIdentity, updateHost } from '../store/hosts.ts';
import type { Tx } from '../store/open.ts';
import { issueCertificate } from './certificates.ts';
import { refuseTakenKey } from './enroll.ts';

/** Throws `csr-invalid`, `public-key-taken`, or `conflict` for the identity key of another host. */
export async function renew(
  tx: Tx,
  authority: Authority,
  host: StoredHost,
  { csr, publicKey }: z.output<typeof renewOp.body>,
): Promise<HostCertificate> {
  const identitySpki = authority.readCsr(csr).spkiHash;
  const isNewKey = publicKey !== host.publicKey;
  if (isNewKey) await refuseTakenKey(tx, publicKey, host);
  if (identitySpki !== host.identitySpki) await refuseTakenIdentity(tx, identitySpki);
  if (isNewKey || identitySpki !== host.identitySpki) {
    await updateHost(tx, host.id, { publicKey, identitySpki, ...(isNewKey ? { isRotationDue: false } : {}) });
  }
  if (isNewKey && host.state === 'active') tx.touchHost(host.id);
  tx.audit('host.renew', host.id, { isNewKey });
  return issueCertificate(tx, authority, { hostId: host.id, csr });
}

async function refuseTakenIdentity(tx: Tx, identitySpki: string): Promise<void> {
  if ((await findHostByIdentity(tx.db, identitySpki)) === undefined) return;
  throw new WarrenError('conflict', 'this identity key belongs to another host; make a new one', { field: 'csr' });
}

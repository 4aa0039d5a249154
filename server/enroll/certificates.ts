/** Issues a host's client certificate and puts it on record, in the transaction that grants it. */
import type { Authority } from '../pki/authority.ts';
import type { HostCertificate } from '../pki/signer.ts';
import type { HostId } from '../../shared/names.ts';
import { insertCertificate, limitCertificates } from '../store/certificates.ts';
import type { Tx } from '../store/open.ts';

/** Older certificates go on for this long, so that a host whose answer got lost can ask again with what it has. */
const overlapMs = 60 * 60_000;

/** Throws `csr-invalid`. */
export async function issueCertificate(
  tx: Tx,
  authority: Authority,
  { hostId, csr }: { hostId: HostId; csr: string },
): Promise<HostCertificate> {
  const certificate = authority.issueHostCertificate({ hostId, csrPem: csr, now: tx.now });
  await limitCertificates(tx, hostId, tx.now + overlapMs);
  await insertCertificate(tx, {
    serial: certificate.serial,
    hostId,
    spkiHash: certificate.spkiHash,
    notBefore: certificate.notBefore,
    notAfter: certificate.expiresAt,
  });
  return certificate;
}

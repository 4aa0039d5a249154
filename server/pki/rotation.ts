/** A new CA, and the end of the former ones; each is one step of one transaction. */
import type { caSchema } from '../../shared/api/ca.ts';
import type { z } from 'zod';
import { X509Certificate } from 'node:crypto';
import { WarrenError } from '../../shared/errors.ts';
import { findHostsBehind, revokeIssuedUntil } from '../store/certificates.ts';
import type { Db } from '../store/schema.ts';
import type { Tx } from '../store/open.ts';
import { spkiOf, spkiPin } from './certificate.ts';
import type { Keyring } from './keyring.ts';
import { backdate } from './signer.ts';
import { readKeyring, saveKeyring } from './store-keys.ts';
import { readFormers, succeed } from './succession.ts';

/** Throws `conflict` while too many former CAs are not retired. */
export async function rotateCa(tx: Tx): Promise<Keyring> {
  const old = await readKeyring(tx.db);
  const next = succeed(old, tx.now, (bytes) => tx.random(bytes));
  await saveKeyring(tx, next);
  tx.audit('ca.rotate', pinOf(next), { former: pinOf(old) });
  return next;
}

/** Throws `conflict` while hosts have a certificate of a former CA, unless it `isForced`. */
export async function retireCas(tx: Tx, isForced: boolean): Promise<Keyring> {
  const keyring = await readKeyring(tx.db);
  const until = issuedUntil(keyring);
  if (until === undefined) throw new WarrenError('conflict', 'there is no former CA to retire');
  const behind = await findHostsBehind(tx.db, until, tx.now);
  if (behind.length > 0 && !isForced) {
    throw new WarrenError(
      'conflict',
      `${behind.length} hosts have a certificate of a former CA still (${behind.slice(0, 5).join(', ')}${behind.length > 5 ? ', …' : ''}); wait until they have renewed it, or retire it by force: they will have to join again`,
    );
  }
  const revoked = await revokeIssuedUntil(tx, until);
  const next = { ...keyring, formerPem: '' };
  await saveKeyring(tx, next);
  tx.audit('ca.retire', pinOf(next), { former: readFormers(keyring.formerPem).map(({ pin }) => pin), revoked });
  return next;
}

export async function presentCa(db: Db, keyring: Pick<Keyring, 'caPem' | 'formerPem'>, now: number) {
  const until = issuedUntil(keyring);
  const ca: z.input<typeof caSchema> = {
    pin: pinOf(keyring),
    expiresAt: new Date(new X509Certificate(keyring.caPem).validTo).toISOString(),
    formers: readFormers(keyring.formerPem).map(({ pin, succeededAt }) => ({
      pin,
      succeededAt: new Date(succeededAt).toISOString(),
    })),
    hostsBehind: until === undefined ? [] : await findHostsBehind(db, until, now),
  };
  return ca;
}

/** What a certificate's `notBefore` (ms) is at most where a former CA signed it; undefined where there is none. */
function issuedUntil({ formerPem }: Pick<Keyring, 'formerPem'>): number | undefined {
  const [newest] = readFormers(formerPem);
  return newest === undefined ? undefined : newest.succeededAt - backdate;
}

const pinOf = ({ caPem }: Pick<Keyring, 'caPem'>): string => spkiPin(spkiOf(new X509Certificate(caPem).publicKey));

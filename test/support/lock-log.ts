/** Logs of a lock for tests: real keys, signed as an admin's machine signs. */
import { type KeyObject, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { lockCrypto } from '../../agent/lock/crypto.ts';
import { type EntryClaim, type LockEntry, formatBody, noHash, signedText } from '../../shared/lock/entry.ts';
import { type LockHead, extendLog, headOf } from '../../shared/lock/log.ts';
import { signedForm } from '../../shared/lock/record.ts';
import type { HostRecord } from '../../shared/network-map.ts';

export interface TestKey {
  readonly publicKey: string;
  readonly key: KeyObject;
}

export function makeKey(): TestKey {
  const { privateKey: key } = generateKeyPairSync('ed25519');
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return { publicKey: Buffer.from(x, 'base64url').toString('base64'), key };
}

export class TestLog {
  entries: LockEntry[] = [];
  readonly first = makeKey();

  constructor() {
    this.add({ kind: 'init', key: this.first.publicKey, label: 'first', salt: 'ab'.repeat(32) });
  }

  /** Signed and appended, whether or not the log allows it. */
  add(claim: EntryClaim, by = this.first, place: { n?: number; prev?: string } = {}): LockEntry {
    const last = this.entries.at(-1);
    const body = formatBody({
      v: 1,
      n: place.n ?? this.entries.length,
      prev: place.prev ?? (last === undefined ? noHash : lockCrypto.hash(signedText(last.body))),
      at: 1_700_000_000_000,
      by: by.publicKey,
      ...claim,
    });
    const signature = sign(null, Buffer.from(signedText(body), 'utf8'), by.key).toString('base64');
    this.entries.push({ body, signature });
    return { body, signature };
  }

  /** What a map tells of the host. */
  host(record: HostRecord, sequence = 0, expiresAt: number | null = null): void {
    const told = { ...record, subnets: record.subnets.map(({ prefix }) => prefix) };
    this.add({ kind: 'host', host: signedForm(told, { sequence, expiresAt }) });
  }

  get head(): LockHead {
    const state = extendLog(undefined, this.entries, { ...lockCrypto, verify: () => true });
    if (state === undefined) throw new RangeError('an empty log has no head');
    return headOf(state);
  }
}

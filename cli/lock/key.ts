/** An admin's key of the lock: Ed25519, made on the admin's machine, in a file for its owner alone. */
import {
  type KeyObject,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
} from 'node:crypto';
import { WarrenError } from '../../shared/errors.ts';
import { type LockCrypto } from '../../shared/lock/log.ts';
import { type Places, createPrivately, readIfThere } from './places.ts';

export interface Signer {
  /** Base64 of the 32 bytes. */
  readonly publicKey: string;
  sign(text: string): string;
}

export const lockCrypto: LockCrypto = {
  hash: (text) => createHash('sha256').update(text, 'utf8').digest('hex'),
  verify: (key, text, signature) => {
    const x = Buffer.from(key, 'base64').toString('base64url');
    const publicKey = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } });
    return verify(null, Buffer.from(text, 'utf8'), publicKey, Buffer.from(signature, 'base64'));
  },
};

/** Throws `not-found` where there is none, `state-corrupt` for what is no such key. */
export async function readSigner({ keyFile }: Places): Promise<Signer> {
  const pem = await readIfThere(keyFile);
  if (pem !== undefined) return signerOf(readKey(pem, keyFile));
  throw new WarrenError(
    'not-found',
    `there is no key of the lock in ${keyFile}; 'warren lock key' makes one, --lock-key names another file`,
  );
}

export async function readOrMakeSigner(places: Places): Promise<Signer & { readonly isNew: boolean }> {
  const pem = await readIfThere(places.keyFile);
  if (pem !== undefined) return { ...signerOf(readKey(pem, places.keyFile)), isNew: false };
  const { privateKey } = generateKeyPairSync('ed25519');
  await createPrivately(places.keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  return { ...signerOf(privateKey), isNew: true };
}

function readKey(pem: string, file: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey(pem);
  } catch {
    key = undefined;
  }
  if (key?.asymmetricKeyType === 'ed25519') return key;
  throw new WarrenError('state-corrupt', `${file} holds no Ed25519 private key in PEM; put it back from a backup`);
}

function signerOf(key: KeyObject): Signer {
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  return {
    publicKey: Buffer.from(x, 'base64url').toString('base64'),
    sign: (text) => sign(null, Buffer.from(text, 'utf8'), key).toString('base64'),
  };
}

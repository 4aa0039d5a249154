import { type KeyObject, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';

export interface CsrOptions {
  /** Signs and is in the request; made anew by default. */
  readonly key?: KeyObject;
  /** Signs instead of `key`. */
  readonly signer?: KeyObject;
  readonly spki?: Buffer;
}

/** A PKCS#10 request (RFC 2986) written byte by byte, independent of what the server reads it with. */
export function buildCsr(
  kind: 'P-256' | 'Ed25519',
  options: CsrOptions = {},
): { csr: string; publicKey: KeyObject; privateKey: KeyObject } {
  const privateKey = options.key ?? newKey(kind);
  const publicKey = createPublicKey(privateKey);
  const spki = options.spki ?? publicKey.export({ type: 'spki', format: 'der' });
  const info = der(0x30, Buffer.from([2, 1, 0]), der(0x30), spki, der(0xa0));
  const isEd = kind === 'Ed25519';
  const oid = Buffer.from(isEd ? '06032b6570' : '06082a8648ce3d040302', 'hex');
  const signature = sign(isEd ? null : 'sha256', info, options.signer ?? privateKey);
  const request = der(0x30, info, der(0x30, oid), der(0x03, Buffer.from([0]), signature));
  return { csr: toPem(request), publicKey, privateKey };
}

export function newKey(kind: 'P-256' | 'Ed25519'): KeyObject {
  return kind === 'Ed25519'
    ? generateKeyPairSync('ed25519').privateKey
    : generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

export function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

export function toPem(bytes: Buffer): string {
  const label = 'CERTIFICATE REQUEST';
  return `-----BEGIN ${label}-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`;
}

/**
 * The mesh's certificate authority: the one P-256 key that signs now, and those it succeeded, whose host certificates go
 * on until they are retired. What is signed stands in `signer.ts`, how a CA follows another one in `succession.ts`.
 */
import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import type { Clock } from '../deps.ts';
import { type CertificateRequest, readCsr } from './csr.ts';
import { type Keyring, type KeyringStore, loadOrCreateKeys } from './keyring.ts';
import { type Signer, createSigner } from './signer.ts';
import { type FormerCa, createCa, privatePem, readFormers } from './succession.ts';

export interface Authority extends Signer {
  /** Those that this CA succeeded and that are not retired, newest first. */
  readonly formers: readonly FormerCa[];
  /** Throws `csr-invalid`. */
  readCsr(pem: string): CertificateRequest;
  /** True when the CA's own key signed it, or that of a former one; says nothing of time or revocation. */
  hasSigned(certificate: X509Certificate): boolean;
  /** Signs with these keys from now on; they are saved already. */
  use(keyring: Keyring): void;
  /** Calls `tell` after each `use`. */
  onChange(tell: () => void): void;
}

export interface AuthorityOptions {
  readonly keys: KeyringStore;
  readonly clock: Clock;
  readonly random: (bytes: number) => Buffer;
}

/** Throws `state-corrupt` when a part of the keys is missing or does not belong to the rest. */
export async function loadOrCreateAuthority({ keys, clock, random }: AuthorityOptions): Promise<Authority> {
  const keyring = await loadOrCreateKeys(keys, () => createKeys(clock.now(), random));
  return createAuthority(keyring, clock, random);
}

function createKeys(now: number, random: (bytes: number) => Buffer): Keyring {
  const { pem: caPem, key } = createCa(now, random);
  const serverKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  return { caPem, caKeyPem: privatePem(key), serverKeyPem: privatePem(serverKey), formerPem: '' };
}

function createAuthority(first: Keyring, clock: Clock, random: (bytes: number) => Buffer): Authority {
  let signer = createSigner(first, clock, random);
  let formers = readFormers(first.formerPem);
  let trusted = trustedBy(first);
  const listeners: (() => void)[] = [];
  return {
    get caPem() {
      return signer.caPem;
    },
    get caPin() {
      return signer.caPin;
    },
    get serverPin() {
      return signer.serverPin;
    },
    get formers() {
      return formers;
    },
    serverCredentials: (names) => signer.serverCredentials(names),
    issueHostCertificate: (spec) => signer.issueHostCertificate(spec),
    readCsr,
    hasSigned: (certificate) => trusted.some((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey)),
    use: (keyring) => {
      signer = createSigner(keyring, clock, random);
      formers = readFormers(keyring.formerPem);
      trusted = trustedBy(keyring);
      for (const tell of listeners) tell();
    },
    onChange: (tell) => void listeners.push(tell),
  };
}

const trustedBy = ({ caPem, formerPem }: Keyring): X509Certificate[] =>
  [caPem, ...readFormers(formerPem).map(({ pem }) => pem)].map((pem) => new X509Certificate(pem));

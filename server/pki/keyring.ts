/**
 * The authority's keys and where they rest: in the store, so that one backup holds all that a server is. Keys are made
 * only when there are none; a part that is missing is never replaced by a new one, because every host and token of the
 * mesh trusts the old one.
 */
import { X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto';
import { WarrenError } from '../../shared/errors.ts';
import { readFormers } from './succession.ts';

export interface Keyring {
  readonly caPem: string;
  readonly caKeyPem: string;
  readonly serverKeyPem: string;
  /** CAs that this one succeeded, each behind the proof of it; empty where it is the first or they are retired. */
  readonly formerPem: string;
}

/** Names in the store. */
export const keyringNames = {
  caPem: 'ca.crt',
  caKeyPem: 'ca.key',
  serverKeyPem: 'server.key',
  formerPem: 'ca.former',
} as const;

/** What keeps secrets by name; `save` keeps all of them or none. */
export interface KeyringStore {
  load(name: string): Promise<string | undefined>;
  save(secrets: ReadonlyMap<string, string>): Promise<void>;
}

/** Throws `state-corrupt` when a part is missing or does not belong to the rest. */
export async function loadOrCreateKeys(store: KeyringStore, create: () => Keyring): Promise<Keyring> {
  const caPem = await store.load(keyringNames.caPem);
  const caKeyPem = await store.load(keyringNames.caKeyPem);
  const serverKeyPem = await store.load(keyringNames.serverKeyPem);
  if (caPem === undefined && caKeyPem === undefined && serverKeyPem === undefined) {
    const keyring = create();
    await store.save(new Map(partsOf(keyring)));
    return keyring;
  }
  if (caPem === undefined || caKeyPem === undefined || serverKeyPem === undefined) throw corrupt();
  const formerPem = (await store.load(keyringNames.formerPem)) ?? '';
  const keyring = { caPem, caKeyPem, serverKeyPem, formerPem };
  checkKeys(keyring);
  return keyring;
}

/** By their names in the store. */
export function partsOf(keyring: Keyring): [string, string][] {
  return [
    [keyringNames.caPem, keyring.caPem],
    [keyringNames.caKeyPem, keyring.caKeyPem],
    [keyringNames.serverKeyPem, keyring.serverKeyPem],
    [keyringNames.formerPem, keyring.formerPem],
  ];
}

function checkKeys(keyring: Keyring): void {
  try {
    const ca = new X509Certificate(keyring.caPem);
    createPublicKey(keyring.serverKeyPem);
    readFormers(keyring.formerPem);
    if (!ca.ca || !ca.checkPrivateKey(createPrivateKey(keyring.caKeyPem))) throw new Error('they do not match');
  } catch (cause) {
    throw corrupt(cause);
  }
}

function corrupt(cause?: unknown): WarrenError {
  return new WarrenError(
    'state-corrupt',
    "the store's CA certificate and keys do not belong together; bring the store back with `warren server restore FILE`, new keys would lock all hosts out",
    { cause },
  );
}

/** What a server tells of a host, held against what is signed. Pure. */
import type { HostId, HostName } from '../names.ts';
import type { Address } from '../net/address.ts';
import type { Cidr } from '../net/cidr.ts';
import type { PublicKey } from '../wireguard.ts';
import type { SignedHost } from './entry.ts';

/** The same of a host as is signed, as a map or the API tells it. */
export interface ToldHost {
  readonly id: HostId;
  readonly name: HostName;
  readonly publicKey: PublicKey;
  readonly addresses: readonly Address[];
  readonly leases: readonly Cidr[];
  readonly subnets: readonly Cidr[];
}

/** In words, what the server tells that is not signed so; empty where all of it is. */
export function unsignedOf(told: ToldHost, signed: SignedHost): string[] {
  const one = (what: string, said: string, is: string): string[] =>
    said === is ? [] : [`${what} ${said} in place of ${is}`];
  const foreign = told.subnets.filter((prefix) => !signed.subnets.includes(prefix));
  return [
    ...one('name', told.name, signed.name),
    ...one('key', told.publicKey, signed.publicKey),
    ...one('addresses', told.addresses.join(' '), signed.addresses.join(' ')),
    ...one('leases', told.leases.join(' '), signed.leases.join(' ')),
    ...(foreign.length === 0 ? [] : [`subnet ${foreign.join(' ')}`]),
  ];
}

/** True once `now` (ms) is past what it was signed for. */
export const isExpired = ({ expiresAt }: SignedHost, now: number): boolean => expiresAt !== null && expiresAt <= now;

/** What is to be signed so that hosts take what the server tells. */
export function signedForm(
  told: ToldHost,
  { sequence, expiresAt }: Pick<SignedHost, 'sequence' | 'expiresAt'>,
): SignedHost {
  return {
    id: told.id,
    name: told.name,
    publicKey: told.publicKey,
    addresses: [...told.addresses],
    leases: [...told.leases],
    subnets: told.subnets.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)),
    sequence,
    expiresAt,
  };
}

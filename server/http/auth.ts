/**
 * Who is calling, and may they: from the operation's declared `access`, an API key or a client certificate, and the
 * store, on every request. `recheck` asks the same again for streams that are open. Decides nothing else.
 */
import type { TLSSocket } from 'node:tls';
import { type Operation, type Access } from '../../shared/api/route.ts';
import type { Scope } from '../../shared/api/keys.ts';
import { WarrenError } from '../../shared/errors.ts';
import { Secret } from '../../shared/secret.ts';
import type { Deps } from '../deps.ts';
import { isSecretOf, parseKey } from '../keys/secret.ts';
import { findCertificate } from '../store/certificates.ts';
import { findHost } from '../store/hosts.ts';
import { type StoredKey, findKey } from '../store/keys.ts';
import { isTombstoned } from '../store/tombstones.ts';
import { type Presented, presentedBy } from './certificate.ts';
import type { HostPrincipal, KeyPrincipal, Principal } from './handler.ts';

export interface Credentials {
  readonly authorization: string | undefined;
  readonly socket: TLSSocket;
}

export interface Auth {
  /** Throws `unauthenticated`, `certificate-invalid`, `forbidden`, `host-disabled` or `host-removed`. */
  authenticate(op: Operation, credentials: Credentials): Promise<Principal>;
  /** Throws the same when `principal` may not go on. */
  recheck(op: Operation, principal: Principal): Promise<void>;
}

/** Calls a host may still make with a certificate that ended at most this long ago (ms), or that has not begun. */
const renewalGrace = 30 * 86_400_000;
const untimelyMayCall: ReadonlySet<string> = new Set(['host.renew']);

const scopeRank: Readonly<Record<Scope, number>> = { read: 1, operator: 2, admin: 3 };

export function createAuth(deps: Deps, recordUse: (key: StoredKey) => void): Auth {
  const checkKey = async (op: Operation, key: StoredKey | undefined): Promise<KeyPrincipal> => {
    const { id, scope } = usableKey(key, deps.clock.now());
    if (scopeRank[scope] < scopeRank[neededScope(op.access)]) {
      throw new WarrenError('forbidden', `this needs a key of scope ${op.access}; the key given has scope ${scope}`);
    }
    return { kind: 'key', id, scope, actor: `key:${id}` };
  };
  const readKey = async (authorization: string): Promise<StoredKey | undefined> => {
    const key = await findMatchingKey(deps, authorization);
    if (key !== undefined) recordUse(key);
    return key;
  };
  return {
    async authenticate(op, { authorization, socket }) {
      if (op.access === 'public' || op.access === 'enroll') return { kind: 'anonymous', actor: 'anonymous' };
      const presented = presentedBy(socket, deps.authority);
      if (op.access === 'agent') {
        if (presented.kind !== 'none') return checkHost(deps, op, readHost(presented));
        if (authorization !== undefined) usableKey(await readKey(authorization), deps.clock.now());
        throw authorization === undefined
          ? new WarrenError('unauthenticated', 'this needs the client certificate of a host; join the mesh first')
          : new WarrenError('forbidden', 'this is for hosts with their client certificate; an API key does not do');
      }
      if (authorization !== undefined) return checkKey(op, await readKey(authorization));
      if (presented.kind === 'none') throw missingKey();
      await checkHost(deps, op, readHost(presented));
      throw new WarrenError('forbidden', 'this needs an API key; the client certificate of a host does not do');
    },
    async recheck(op, principal) {
      if (principal.kind === 'host') await checkHost(deps, op, principal);
      if (principal.kind === 'key') await checkKey(op, await findKey(deps.store.db, principal.id));
    },
  };
}

function neededScope(access: Access): Scope {
  return access === 'read' || access === 'operator' ? access : 'admin';
}

/** The stored key when id and secret match, whatever its state; the same work is done for ids that do not exist. */
async function findMatchingKey({ store }: Deps, authorization: string): Promise<StoredKey | undefined> {
  const given = parseKey(/^[Bb]earer +(\S+)$/.exec(authorization)?.[1] ?? '');
  const key = given === undefined ? undefined : await findKey(store.db, given.id);
  return isSecretOf(key?.secretHash, given?.secret ?? new Secret('')) ? key : undefined;
}

function usableKey(key: StoredKey | undefined, now: number): StoredKey {
  if (key === undefined) throw new WarrenError('unauthenticated', 'the API key is not one of this server');
  if (key.revokedAt !== null) throw new WarrenError('unauthenticated', 'the API key was revoked; use another');
  if (key.expiresAt !== null && key.expiresAt <= now) {
    throw new WarrenError('unauthenticated', 'the API key has expired; make a new one with `warren key create`');
  }
  return key;
}

function missingKey(): WarrenError {
  return new WarrenError('unauthenticated', "give an API key as 'Authorization: Bearer wrn_...'");
}

function readHost(presented: Presented): HostPrincipal & { notBefore: number } {
  if (presented.kind !== 'host') {
    throw rejected(presented.kind === 'refused' ? presented.why : 'there is none');
  }
  const { hostId: id, serial, notBefore, notAfter } = presented;
  return { kind: 'host', id, serial, notBefore, certificateExpiresAt: notAfter, actor: `host:${id}` };
}

async function checkHost(
  deps: Deps,
  op: Operation,
  host: HostPrincipal & { notBefore?: number },
): Promise<HostPrincipal> {
  checkTime(op, host, deps.clock.now());
  const { store } = deps;
  const [stored, certificate] = await Promise.all([
    findHost(store.db, host.id),
    findCertificate(store.db, host.serial),
  ]);
  if (stored === undefined) {
    if (await isTombstoned(store.db, host.id)) throw new WarrenError('host-removed', 'this host was removed');
    throw rejected('this server does not know the host; if it was restored from a backup, join again');
  }
  if (certificate === undefined || certificate.hostId !== host.id) throw rejected('this server did not record it');
  // A renewed host's older certificate is revoked ahead, so that a lost answer does not lock it out.
  if (certificate.revokedAt !== null && certificate.revokedAt <= deps.clock.now()) throw rejected('it was revoked');
  if (stored.state === 'disabled') throw new WarrenError('host-disabled', 'an operator disabled this host');
  const { id, serial, certificateExpiresAt, actor } = host;
  return { kind: 'host', id, serial, certificateExpiresAt, actor };
}

function checkTime(op: Operation, host: HostPrincipal & { notBefore?: number }, now: number): void {
  const mayRenew = untimelyMayCall.has(op.id);
  const grace = mayRenew ? renewalGrace : 0;
  if (now >= host.certificateExpiresAt + grace) {
    throw rejected(
      grace === 0 ? 'it has expired; renew it' : 'it expired more than 30 days ago; join again with a new token',
    );
  }
  // One that this server issued while its clock was ahead: renewing it is the way back.
  if (!mayRenew && host.notBefore !== undefined && now < host.notBefore) {
    throw rejected('it is not valid yet; check the clocks of host and server');
  }
}

function rejected(why: string): WarrenError {
  return new WarrenError('certificate-invalid', `the client certificate is not accepted: ${why}`);
}

/**
 * Enrollment tokens: making, redeeming and revoking them. A token lets a machine in a limited number of times; what it
 * becomes then is `enroll/`'s to say. The store keeps a hash of the secret, which leaves here once.
 */
import type { z } from 'zod';
import { type Token, createToken as createTokenOp } from '../../shared/api/tokens.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Secret } from '../../shared/secret.ts';
import { hashSecret, isSecretOf, makeSecret } from '../keys/secret.ts';
import { formatTime, readTime } from '../time.ts';
import { type StoredToken, findToken, insertToken, revokeToken, useToken } from '../store/tokens.ts';
import type { Tx } from '../store/open.ts';

const day = 86_400_000;
const defaultLifetime = day;
const longestLifetime = 366 * day;

/** Throws `request-invalid` for an expiry in the past or more than a year ahead. */
export async function createToken(
  tx: Tx,
  body: z.output<typeof createTokenOp.body>,
): Promise<{ stored: StoredToken; secret: Secret }> {
  const secret = makeSecret((bytes) => tx.random(bytes));
  const stored = await insertToken(tx, {
    name: body.name ?? null,
    secretHash: hashSecret(secret),
    uses: body.uses,
    tags: body.tags,
    isAutoApprove: body.autoApprove,
    isEphemeral: body.ephemeral,
    expiresAt: readExpiry(body.expiresAt, tx.now),
  });
  const { uses, tags, autoApprove, ephemeral } = body;
  tx.audit(createTokenOp.id, stored.id, { name: stored.name, uses, tags, autoApprove, ephemeral });
  return { stored, secret };
}

/** The token that this id and secret stand for. Throws `token-invalid`; only who knows the secret learns the reason. */
export async function authenticateToken(tx: Tx, given: { id: string; secret: Secret }): Promise<StoredToken> {
  const token = await findToken(tx.db, given.id);
  if (!isSecretOf(token?.secretHash, given.secret) || token === undefined) throw refused('it is not known here');
  if (token.revokedAt !== null) throw refused('it was revoked');
  if (token.expiresAt <= tx.now) throw refused('it expired');
  return token;
}

/** Takes one use in one statement, so that no race takes more than there are. Throws `token-invalid`. */
export async function consumeToken(tx: Tx, token: StoredToken): Promise<void> {
  if (!(await useToken(tx, token.id))) throw refused('it is used up');
}

/** Throws `not-found`. Revoking twice is no error. */
export async function revokeEnrollmentToken(tx: Tx, id: string): Promise<void> {
  const token = await findToken(tx.db, id);
  if (token === undefined) throw new WarrenError('not-found', `there is no token ${id}; see \`warren token ls\``);
  if (await revokeToken(tx, id)) tx.audit('token.revoke', id, { name: token.name });
}

export function presentToken(token: StoredToken, now: number): Token {
  return {
    id: token.id,
    name: token.name,
    uses: token.uses,
    usesLeft: token.uses - token.used,
    expiresAt: formatTime(token.expiresAt),
    tags: [...token.tags],
    autoApprove: token.isAutoApprove,
    ephemeral: token.isEphemeral,
    state: tokenState(token, now),
    createdAt: formatTime(token.createdAt),
  };
}

function tokenState(token: StoredToken, now: number): Token['state'] {
  if (token.revokedAt !== null) return 'revoked';
  if (token.used >= token.uses) return 'used';
  return token.expiresAt <= now ? 'expired' : 'active';
}

function readExpiry(expiresAt: string | undefined, now: number): number {
  if (expiresAt === undefined) return now + defaultLifetime;
  const at = readTime(expiresAt);
  if (at > now && at <= now + longestLifetime) return at;
  throw new WarrenError('request-invalid', 'expiresAt must be later than now and at most a year ahead', {
    field: 'expiresAt',
  });
}

function refused(why: string): WarrenError {
  return new WarrenError(
    'token-invalid',
    `the enrollment token is not valid: ${why}; make one with \`warren token create\``,
  );
}

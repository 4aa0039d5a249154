/**
 * The enrollment token as one string: where the server is, which CA to trust (pin), and the secret. One string is enough
 * to join safely. Format: `wrt1.` + base64url(JSON {u, p, i, s, l?}). The server stores a hash of `s` only; `l` stands in
 * tokens of a locked mesh.
 */
import { z } from 'zod';
import { WarrenError } from './errors.ts';
import { lockHashSchema } from './lock/entry.ts';
import { Secret } from './secret.ts';

export interface EnrollmentToken {
  /** Base URL of the server, `https://host:port`. */
  readonly serverUrl: string;
  /** SHA-256 of the CA's SubjectPublicKeyInfo, base64. */
  readonly caPin: string;
  readonly id: string;
  readonly secret: Secret;
  /** Root of the lock that the host pins. */
  readonly lockRoot?: string | undefined;
}

const prefix = 'wrt1.';

export const serverUrlSchema = z
  .url({ protocol: /^https$/, error: 'write the server like https://warren.example.org:8443' })
  .max(300)
  .refine((text) => new URL(text).origin === text, {
    error: 'give scheme, host and port only, without a path or a trailing slash',
  });
export const pinSchema = z.string().regex(/^[A-Za-z0-9+/]{43}=$/, { error: 'a pin is the base64 of 32 bytes' });
export const tokenIdSchema = z.string().regex(/^t[a-z2-7]{16}$/, { error: 'a token id looks like tabcdefghijklmn23' });
export const tokenSecretSchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

const payloadSchema = z.strictObject({
  u: serverUrlSchema,
  p: pinSchema,
  i: tokenIdSchema,
  s: tokenSecretSchema,
  l: lockHashSchema.optional(),
});

export function formatToken(token: EnrollmentToken): string {
  const { serverUrl: u, caPin: p, id: i, lockRoot: l } = token;
  const json = JSON.stringify({ u, p, i, s: token.secret.reveal(), ...(l !== undefined && { l }) });
  return prefix + btoa(json).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Throws `token-invalid`; the message never repeats the token. */
export function parseToken(text: string): EnrollmentToken {
  const payload = payloadSchema.safeParse(decode(text.trim()));
  if (!payload.success) {
    throw new WarrenError(
      'token-invalid',
      'this is not a whole enrollment token; copy all of what `warren token create` printed, it starts with wrt1.',
    );
  }
  const { u, p, i, s, l } = payload.data;
  return { serverUrl: u, caPin: p, id: i, secret: new Secret(s), ...(l !== undefined && { lockRoot: l }) };
}

function decode(text: string): unknown {
  if (text.length > 2048 || !/^wrt1\.[A-Za-z0-9_-]+$/.test(text)) return undefined;
  try {
    return JSON.parse(atob(text.slice(prefix.length).replaceAll('-', '+').replaceAll('_', '/')));
  } catch {
    return undefined;
  }
}

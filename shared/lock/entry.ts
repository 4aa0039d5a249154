/**
 * One entry of a locked mesh's log, as the bytes that are signed. The text is JSON with its fields in one order, without
 * spaces, of values that need no escapes; whoever reads one writes it again and takes nothing but the same text, so an
 * entry has one spelling and each byte of it counts. `docs/lock.md` gives the encoding.
 */
import { z } from 'zod';
import { WarrenError } from '../errors.ts';
import { hostIdSchema, hostNameSchema } from '../names.ts';
import { addressSchema } from '../net/address.ts';
import { cidrSchema } from '../net/cidr.ts';
import { leaseSchema } from '../net/lease.ts';
import { publicKeySchema } from '../wireguard.ts';

/** SHA-256 in lower-case hex. The first entry's is the root that agents pin. */
export const lockHashSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, { error: 'a hash of the lock is 64 characters of 0-9 and a-f' });
/** An admin's Ed25519 key, base64 of its 32 bytes. */
export const lockKeySchema = z
  .string()
  .regex(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, { error: 'a lock key is the base64 of 32 bytes' });
export const signatureSchema = z
  .string()
  .regex(/^[A-Za-z0-9+/]{85}[AQgw]==$/, { error: 'a signature is base64 of 64 bytes' });
const countSchema = z.int().min(0);
/** Milliseconds since 1970. */
const momentSchema = z.int().min(0).max(8_640_000_000_000_000);
/** What people call a key. */
export const keyLabelSchema = z
  .string()
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9 ._@-]{0,62}[A-Za-z0-9])?$/, { error: 'use 1 to 64 letters, digits and . _ @ -' });

/** What of a host others act on; nothing else of its record is signed. */
export const signedHostSchema = z.strictObject({
  id: hostIdSchema,
  name: hostNameSchema,
  publicKey: publicKeySchema,
  addresses: z.array(addressSchema).min(1).max(2),
  leases: z.array(leaseSchema).max(2),
  /** Approved subnets, in the order of their text. */
  subnets: z.array(cidrSchema).max(256),
  /** Grows with each entry about the host. */
  sequence: countSchema,
  /** Null: good until another entry. */
  expiresAt: momentSchema.nullable(),
});
export type SignedHost = z.infer<typeof signedHostSchema>;

const head = {
  v: z.literal(1),
  /** Place in the log, from 0. */
  n: countSchema,
  /** Hash of the entry before; 64 zeros in the first. */
  prev: lockHashSchema,
  /** By the clock of who signed; for people. */
  at: momentSchema,
  /** The key that signed. */
  by: lockKeySchema,
};
const keyFields = { key: lockKeySchema, label: keyLabelSchema };

const bodySchema = z.discriminatedUnion('kind', [
  z.strictObject({ ...head, kind: z.literal('init'), ...keyFields, salt: lockHashSchema }),
  z.strictObject({ ...head, kind: z.literal('add-key'), ...keyFields }),
  z.strictObject({ ...head, kind: z.literal('remove-key'), key: lockKeySchema }),
  z.strictObject({ ...head, kind: z.literal('host'), host: signedHostSchema }),
  z.strictObject({ ...head, kind: z.literal('host-removed'), id: hostIdSchema, sequence: countSchema }),
]);
export type EntryBody = z.infer<typeof bodySchema>;

/** What an entry says, without what its place in the log gives it. */
export type EntryClaim = EntryBody extends infer Body
  ? Body extends EntryBody
    ? Omit<Body, 'v' | 'n' | 'prev' | 'at' | 'by'>
    : never
  : never;

/** An entry on its way. */
export const lockEntrySchema = z.strictObject({ body: z.string().max(32_768), signature: signatureSchema });
export type LockEntry = z.infer<typeof lockEntrySchema>;

export const noHash = '0'.repeat(64);

/** zod writes fields in the order of the schema. Throws `lock-refused` for what does not fit the grammar. */
export function formatBody(body: EntryBody): string {
  return JSON.stringify(checked(body));
}

/** Throws `lock-refused` unless `text` is exactly what `formatBody` writes. */
export function parseBody(text: string): EntryBody {
  const body = checked(readJson(text));
  if (JSON.stringify(body) !== text) throw refused('it is not written in the one way there is');
  return body;
}

/** What a signature is over: no other text of Warren's begins like it. */
export const signedText = (body: string): string => `warren-lock-entry-1\n${body}`;

export function refused(why: string): WarrenError {
  return new WarrenError('lock-refused', `the entry of the lock's log is refused: ${why}`);
}

function checked(value: unknown): EntryBody {
  const parsed = bodySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw refused(`'${issue?.path.join('/') ?? ''}': ${issue?.message ?? 'not valid'}`);
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw refused('it is not JSON');
  }
}

/** The lock: a log of signed entries about who is in the mesh. The server keeps and hands on what it cannot make. */
import { z } from 'zod';
import { lockEntrySchema } from '../lock/entry.ts';
import { lockHeadSchema } from '../lock/log.ts';
import { operation } from './route.ts';

/** Entries answered or taken at once. */
export const maxLockEntries = 500;

export const lockPageSchema = z.strictObject({
  /** Null: the mesh is not locked. */
  lock: lockHeadSchema.nullable(),
  /** In order, from the place asked for. */
  entries: z.array(lockEntrySchema).max(maxLockEntries),
});
export type LockPage = z.infer<typeof lockPageSchema>;

/** Number of entries that the caller has. */
const query = z.strictObject({ after: z.coerce.number().int().min(0).max(1_000_000_000).default(0) });

export const showLock = operation({
  id: 'lock.show',
  method: 'GET',
  path: '/api/v1/lock',
  access: 'read',
  summary: 'Show where the log of the lock stands, and entries of it',
  query,
  reply: lockPageSchema,
});

export const appendLock = operation({
  id: 'lock.append',
  method: 'POST',
  path: '/api/v1/lock/entries',
  access: 'operator',
  summary: 'Append signed entries to the log of the lock; the first one locks the mesh',
  body: z.strictObject({ entries: z.array(lockEntrySchema).min(1).max(maxLockEntries) }),
  reply: z.strictObject({ lock: lockHeadSchema }),
  status: 201,
});

export const resetLock = operation({
  id: 'lock.reset',
  method: 'DELETE',
  path: '/api/v1/lock',
  access: 'admin',
  summary: 'Forget the log of the lock; hosts go on by what they have and raise an alarm until each is told otherwise',
});

/** The same for hosts. */
export const fetchLock = operation({
  id: 'agent.lock',
  method: 'GET',
  path: '/agent/v1/lock',
  access: 'agent',
  summary: 'Entries of the lock’s log that a host does not have',
  query,
  reply: lockPageSchema,
});

/** What commands of the lock take. */
import type { Command } from 'commander';
import type { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { lockHashSchema } from '../../shared/lock/entry.ts';
import { withServerOptions } from '../admin/connect.ts';

export function withLockOptions(command: Command): Command {
  return withServerOptions(command)
    .option('--lock-key <file>', 'the key that signs (WARREN_LOCK_KEY); ~/.config/warren/lock.key by default')
    .option('--root <hash>', 'the root of the lock, where this machine sees it for the first time', parseRoot);
}

export const parseRoot = (text: string): string => parsed('the root', lockHashSchema, text);

/** Throws `usage-invalid`. */
export function parsed<T>(what: string, schema: z.ZodType<T>, text: string): T {
  const result = schema.safeParse(text);
  if (result.success) return result.data;
  throw new WarrenError('usage-invalid', `${what}: ${result.error.issues[0]?.message ?? 'not valid'}`);
}

/** Options that take one of a few words. */
import type { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';

/** Throws `usage-invalid` naming the option and its words. */
export function chosen<T extends string>(
  option: string,
  schema: z.ZodType<T> & { readonly options: readonly T[] },
  text: string | undefined,
): T | undefined {
  if (text === undefined) return undefined;
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new WarrenError('usage-invalid', `${option} must be one of ${schema.options.join(', ')}`);
}

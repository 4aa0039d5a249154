/**
 * Turns a strict parser into a zod schema: the parser's error message (it names the remedy) becomes the issue, and the
 * value keeps its brand. One grammar per type, used at every trust edge.
 */
import { z } from 'zod';

export function grammar<T extends string>(
  parse: (text: string) => T,
  meta: { description: string; example: string; maxLength: number },
): z.ZodType<T, T> {
  const schema = z
    .string()
    .max(meta.maxLength)
    .superRefine((text, context) => {
      try {
        parse(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'not valid' });
      }
    })
    .meta({ description: meta.description, examples: [meta.example] });
  return schema as unknown as z.ZodType<T, T>;
}

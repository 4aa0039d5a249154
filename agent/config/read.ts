/** Reads the keys from texts and from YAML; what is wrong goes into `problems`, with the variable's name or the line. */
import { readFileSync } from 'node:fs';
import { LineCounter, isMap, isScalar, parseDocument } from 'yaml';
import { isMissing } from '../durable.ts';
import { type Key, type Values, keySchemas } from './keys.ts';

export const optionName = (key: Key): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Options and variables: everything is text, numbers are decimal. An empty text counts as not given. */
export function readTexts(
  source: (key: Key) => string | undefined,
  name: (key: Key) => string,
  problems: string[],
): Values {
  const found: [Key, unknown][] = [];
  for (const key of Object.keys(keySchemas) as Key[]) {
    const text = source(key);
    if (text === undefined || text === '') continue;
    const value = key === 'listenPort' && /^[1-9]\d{0,4}$/.test(text) ? Number(text) : text;
    const parsed = keySchemas[key].safeParse(value);
    if (parsed.success) found.push([key, parsed.data]);
    else problems.push(`${name(key)}: ${parsed.error.issues[0]?.message ?? 'not valid'}`);
  }
  return Object.fromEntries(found) as Values;
}

/** A file that is not there has no values, unless it was named. */
export function readFileValues(path: string, isRequired: boolean, problems: string[]): Values {
  const text = readConfigFile(path, isRequired, problems);
  if (text === undefined) return {};
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  for (const error of document.errors)
    problems.push(`${path}:${error.linePos?.[0].line ?? 1}: ${error.message.split('\n')[0] ?? ''}`);
  if (document.errors.length > 0 || document.contents === null) return {};
  if (!isMap(document.contents)) {
    problems.push(`${path}:1: write 'key: value' lines`);
    return {};
  }
  const found: [string, unknown][] = [];
  for (const { key, value } of document.contents.items) {
    const at = `${path}:${lines.linePos(isScalar(key) ? (key.range?.[0] ?? 0) : 0).line}`;
    const name = isScalar(key) ? String(key.value) : '';
    if (!isKey(name)) {
      problems.push(`${at}: unknown key '${name.slice(0, 64)}'; known are ${Object.keys(keySchemas).join(', ')}`);
      continue;
    }
    const parsed = keySchemas[name].safeParse(isScalar(value) ? value.value : undefined);
    if (parsed.success) found.push([name, parsed.data]);
    else problems.push(`${at}: ${name}: ${parsed.error.issues[0]?.message ?? 'not valid'}`);
  }
  return Object.fromEntries(found) as Values;
}

const isKey = (name: string): name is Key => Object.hasOwn(keySchemas, name);

function readConfigFile(path: string, isRequired: boolean, problems: string[]): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error) && !isRequired) return undefined;
    problems.push(`${path}: cannot be read (${error instanceof Error ? error.message : String(error)})`);
    return undefined;
  }
}

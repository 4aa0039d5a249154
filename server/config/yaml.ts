/** Reads a flat YAML mapping of scalars with the line of each entry. Aliases, nesting and unknown keys are problems. */
import { LineCounter, isMap, isScalar, parseDocument } from 'yaml';

export interface YamlEntry {
  readonly text: string;
  /** `file:line`. */
  readonly where: string;
}

/** Entries by key; what is wrong is added to `problems`, one line each. */
export function readYaml(
  path: string,
  text: string,
  known: ReadonlySet<string>,
  problems: string[],
): Map<string, YamlEntry> {
  const lines = new LineCounter();
  // The failsafe schema leaves every scalar the text that stands there: `0755`, `no` and `1e3` mean nothing else.
  const document = parseDocument(text, { lineCounter: lines, schema: 'failsafe', prettyErrors: false });
  const where = (offset: number): string => `${path}:${lines.linePos(offset).line}`;
  for (const error of document.errors) problems.push(`${where(error.pos[0])}: ${error.message}`);
  const entries = new Map<string, YamlEntry>();
  if (document.contents === null || document.errors.length > 0) return entries;
  if (!isMap(document.contents)) {
    problems.push(`${path}:1: write settings as 'name: value', one a line`);
    return entries;
  }
  for (const { key, value } of document.contents.items) {
    const at = where(isScalar(key) ? (key.range?.[0] ?? 0) : 0);
    const name = isScalar(key) ? String(key.value) : '';
    if (!known.has(name))
      problems.push(`${at}: unknown setting '${name.slice(0, 64)}'; known are ${[...known].join(', ')}`);
    else if (!isScalar(value) || typeof value.value !== 'string') problems.push(`${at}: ${name}: give one plain value`);
    else entries.set(name, { text: value.value, where: at });
  }
  return entries;
}

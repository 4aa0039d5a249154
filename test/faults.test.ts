import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** The table of faults and attacks in `docs/security.md` names tests by file and title; they must be there. */
const root = fileURLToPath(new URL('..', import.meta.url));

interface Row {
  readonly id: string;
  /** The cell with the tests, or the reason why there is none. */
  readonly played: string;
  readonly tests: readonly { title: string; file: string }[];
  readonly outcome: string;
}

function readRows(text: string): Row[] {
  return text.split('\n').flatMap((line) => {
    const [, id = '', , played = '', outcome = ''] = line.split('|').map((cell) => cell.trim());
    if (!/^[FA]\d+$/.test(id)) return [];
    const links = [...played.matchAll(/\[([^\]]+)\]\(\.\.\/(test\/[^)]+)\)/g)];
    return [{ id, played, outcome, tests: links.map(([, title = '', file = '']) => ({ title, file })) }];
  });
}

const rows = readRows(readFileSync(join(root, 'docs/security.md'), 'utf8'));

test('every fault and every attack has one row', () => {
  const numbered = (letter: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);
  assert.deepEqual(
    rows.map(({ id }) => id),
    [...numbered('F', 15), ...numbered('A', 21)],
  );
});

test('every row names its tests, or says in a sentence why there is none, and what comes of it', () => {
  for (const { id, played, tests, outcome } of rows) {
    assert.ok(tests.length > 0 || played.split(' ').length > 5, id);
    assert.notEqual(outcome, '', id);
  }
});

test('every test that a row names is in its file under that title', () => {
  const missing = rows.flatMap(({ id, tests }) =>
    tests
      .filter((named) => !titlesOf(named.file).has(named.title))
      .map(({ file, title }) => `${id}: ${file}: ${title}`),
  );
  assert.deepEqual(missing, []);
});

test('a title that stands in a comment only is not taken for a test', () => {
  const text =
    "// test('not this', () => {})\ntest('this one', () => {});\n  test(`${x} too`, f);\ntest(\n  \"it's\",\n  f);";
  assert.deepEqual(readTitles(text), ['this one', '${x} too', "it's"]);
});

function titlesOf(file: string): Set<string> {
  if (!existsSync(join(root, file))) return new Set();
  return new Set(readTitles(readFileSync(join(root, file), 'utf8')));
}

function readTitles(text: string): string[] {
  return [...text.matchAll(/^ *test\(\s*(['"`])((?:\\.|(?!\1).)*)\1,/gm)].map(([, , title = '']) =>
    title.replace(/\\(.)/g, '$1'),
  );
}

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exitCodeOf } from '../cli/command.ts';
import { WarrenError, errorKinds, isErrorCode } from '../shared/errors.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

test('docs/errors.md lists exactly the codes of the error table, with their HTTP status', () => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z-]+)` +\| (\d{3}) +\|/gm)];
  const documented = Object.fromEntries(rows.map(([, code, status]) => [code, Number(status)]));
  const declared = Object.fromEntries(Object.entries(errorKinds).map(([code, kind]) => [code, kind.status]));
  assert.deepEqual(documented, declared);
});

test('docs/errors.md gives the exit code of the command line for each error', () => {
  for (const [, code = '', exit] of read('docs/errors.md').matchAll(/^\| `([a-z-]+)` .*\| (\d) +\|$/gm)) {
    assert.ok(isErrorCode(code));
    assert.equal(Number(exit), exitCodeOf(new WarrenError(code, '')), code);
  }
});

test('every relative link in the documents leads to a file', () => {
  const broken = tracked('*.md').flatMap((file) =>
    [...read(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target]) => join(dirname(file), target ?? ''))
      .filter((target) => !existsSync(join(root, target)))
      .map((target) => `${file} -> ${target}`),
  );
  assert.deepEqual(broken, []);
});

test('every npm script that a document names exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const named = tracked('*.md').flatMap((file) =>
    [...read(file).matchAll(/\bnpm (?:run ([a-z:]+)|(test)\b)/g)].map(([, script, isTest]) => script ?? isTest ?? ''),
  );
  assert.deepEqual(
    named.filter((script) => scripts[script] === undefined),
    [],
  );
});

function tracked(pattern: string): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', pattern], {
    cwd: root,
  });
  return listed.toString().split('\n').filter(Boolean);
}

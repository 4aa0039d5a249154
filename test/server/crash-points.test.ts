import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { armCrashPoint, crashPoint, crashPoints } from '../../shared/crash-points.ts';
import { killServer } from '../crash/server-kills.ts';
import { temporaryDirectory } from './store/support.ts';

test('a server killed in a backup, after a commit and before its answer loses nothing it acknowledged', async (t) => {
  const report = await killServer(t, temporaryDirectory(t), [
    { point: 'backup.copied', nth: 1 },
    { point: 'store.after-commit', nth: 2 },
    { point: 'http.before-answer', nth: 2 },
  ]);
  assert.deepEqual(report, { kills: 3, wrong: [], problems: [], isRevisionMonotonic: true, strangeFiles: [] });
});

test('a crash point that there is not is an error that names those there are', () => {
  for (const text of ['store', 'store.before-commit:0', 'store.before-commit:1:2', 'x'.repeat(300)]) {
    assert.throws(() => armCrashPoint(text, () => undefined), /WARREN_CRASH_AT: .* use one of store\.before-commit, /);
  }
});

test('a place dies when it is reached for the time that was named, and no other place does', () => {
  let deaths = 0;
  armCrashPoint('map.before-save:2', () => (deaths += 1));
  crashPoint('map.after-save');
  crashPoint('map.before-save');
  assert.equal(deaths, 0);
  crashPoint('map.before-save');
  crashPoint('map.before-save');
  assert.equal(deaths, 1);
  armCrashPoint(undefined, () => (deaths += 1));
  crashPoint('map.before-save');
  assert.equal(deaths, 1);
});

test('every crash point stands in the code, once where it is not between steps', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const text = ['server', 'agent', 'cli']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
    )
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(root, name), 'utf8'))
    .join('\n');
  for (const point of crashPoints) {
    const count = text.split(`crashPoint('${point}')`).length - 1;
    assert.ok(point === 'apply.between-steps' ? count === 2 : count === 1, `${point}: ${count}`);
  }
});

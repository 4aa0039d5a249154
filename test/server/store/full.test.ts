import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from './support.ts';

const child = fileURLToPath(new URL('full-child.ts', import.meta.url));

/** A disk of 2 MiB in a mount namespace of its own, gone with its process. */
const script = 'mount -t tmpfs -o size=2m warren-test "$1" && exec "$2" --import tsx "$3" "$1/warren.db"';
const canMount = spawnSync('unshare', ['-m', 'true']).status === 0;

test('a full disk is said as store-full, loses nothing and leaves reads working', { skip: !canMount }, (t) => {
  const directory = temporaryDirectory(t);
  const run = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', directory, process.execPath, child], {
    encoding: 'utf8',
  });
  assert.equal(run.status, 0, run.stderr);
  assert.deepEqual(JSON.parse(run.stdout), { code: 'store-full', isComplete: true, isNext: true });
});

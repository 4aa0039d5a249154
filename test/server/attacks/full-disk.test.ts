import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../store/support.ts';

const child = fileURLToPath(new URL('full-disk-child.ts', import.meta.url));
const script = 'mount -t tmpfs -o size=2m warren-test "$1" && exec "$2" --import tsx "$3" "$1"';
const canMount = spawnSync('unshare', ['-m', 'true']).status === 0;

test('a running server whose disk fills up refuses changes, serves the rest and recovers', { skip: !canMount }, (t) => {
  const run = spawnSync('unshare', ['-m', 'sh', '-c', script, 'sh', temporaryDirectory(t), process.execPath, child], {
    encoding: 'utf8',
  });
  assert.equal(run.status, 0, run.stderr);
  assert.deepEqual(JSON.parse(run.stdout), {
    before: '201',
    full: '507 store-full',
    during: { ready: 507, alive: 200, read: 200, isComplete: true, isFeedOpen: true, isFeedServed: true },
    after: { ready: true, create: '201', isComplete: true, isFeedOpen: true },
  });
});

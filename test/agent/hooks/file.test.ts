import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FileFacts, findHook, listHooks, whyRefused } from '../../../agent/hooks/file.ts';

const path = '/etc/warren/default.hooks/host-up';
const file = (changes: Partial<FileFacts> = {}): FileFacts => ({ path, isFile: true, uid: 0, mode: 0o755, ...changes });
const folder = (changes: Partial<FileFacts> = {}): FileFacts => ({
  ...file(changes),
  path: '/etc/warren',
  isFile: false,
});

test("root's own executable may be run, others may read it", () => {
  assert.equal(whyRefused(file(), [folder()]), undefined);
  assert.equal(whyRefused(file({ mode: 0o700 }), [folder()]), undefined);
});

test('a file that somebody else could change is not run, and the reason says what to do', () => {
  assert.match(whyRefused(file({ uid: 1000 }), [folder()]) ?? '', /not root's; run: chown root \/etc\/warren\/default/);
  for (const mode of [0o775, 0o757, 0o777]) {
    assert.match(whyRefused(file({ mode }), [folder()]) ?? '', /written by others than root; run: chmod go-w/);
  }
  assert.match(whyRefused(file({ mode: 0o644 }), [folder()]) ?? '', /not executable; run: chmod \+x/);
  assert.match(whyRefused(file({ isFile: false }), [folder()]) ?? '', /is not a file/);
});

test('a folder on the way that somebody else could change is as bad, but for a sticky one', () => {
  assert.match(whyRefused(file(), [folder({ mode: 0o777 })]) ?? '', /whoever writes in \/etc\/warren can change/);
  assert.match(whyRefused(file(), [folder({ uid: 1000 })]) ?? '', /chown root \/etc\/warren/);
  assert.equal(whyRefused(file(), [folder({ mode: 0o1777 })]), undefined);
});

test('no folder means no hooks', async () => {
  assert.deepEqual(await listHooks('/nonexistent/hooks'), new Set());
  assert.deepEqual(await findHook('/nonexistent/hooks', 'host-up'), { kind: 'none' });
});

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findHostByName } from '../../../server/store/hosts.ts';
import { openStore } from '../../../server/store/open.ts';
import type { HostName } from '../../../shared/names.ts';
import { temporaryDirectory } from './support.ts';

const child = fileURLToPath(new URL('crash-child.ts', import.meta.url));

/** Kills a writer with SIGKILL after it acknowledged `count` hosts; answers all it acknowledged. */
async function killWriter(file: string, round: number, count: number): Promise<string[]> {
  const writer = spawn(process.execPath, ['--import', 'tsx', child, file, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: writer.stdout })) {
    lines.push(line);
    if (lines.length === count) writer.kill('SIGKILL');
  }
  return lines;
}

test('a server killed at any moment loses nothing it acknowledged and its database opens again', async (t) => {
  const file = join(temporaryDirectory(t), 'warren.db');
  const acknowledged: { name: string; revision: number }[] = [];
  for (let round = 0; round < 4; round += 1) {
    for (const line of await killWriter(file, round, 7 + 5 * round)) {
      const [name = '', revision] = line.split(' ');
      acknowledged.push({ name, revision: Number(revision) });
    }
    const store = await openStore({ file, clock: Date, random: randomBytes });
    for (const { name } of acknowledged) assert.ok(await findHostByName(store.db, name as HostName), name);
    const { revision } = store.position();
    assert.ok(revision >= Math.max(...acknowledged.map((row) => row.revision)));
    const audits = await store.db.selectFrom('audit').select('revision').distinct().orderBy('revision').execute();
    assert.deepEqual(
      audits.map((row) => row.revision),
      Array.from({ length: revision }, (_, n) => n + 1),
    );
    await store.close();
  }
  const revisions = acknowledged.map((row) => row.revision);
  assert.deepEqual(
    revisions,
    [...new Set(revisions)].sort((a, b) => a - b),
  );
});

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { crashPoints } from '../../shared/crash-points.ts';
import { applicationId } from '../../server/store/engine/connect.ts';
import { inspectDatabase } from '../../server/store/inspect.ts';
import { initial } from '../../server/store/migrations/0001-initial.ts';
import { migrations } from '../../server/store/migrations/index.ts';
import { openStore } from '../../server/store/open.ts';
import { startServerProcess } from '../cli/server-process.ts';
import { temporaryDirectory } from '../server/store/support.ts';
import { type Kill, killServer } from './server-kills.ts';

/** WARREN_CRASH_KILLS of them, 450 by default: with the agent's own, 500 and more. */
const total = Number(process.env['WARREN_CRASH_KILLS'] ?? '450');
const perState = 25;

const points = crashPoints.filter((point) => /^(store|http|backup)\./.test(point));

for (let from = 0; from < total; from += perState) {
  const kills = Array.from({ length: Math.min(perState, total - from) }, (_, n): Kill => {
    const point = points[(from + n) % points.length] ?? 'store.before-commit';
    return { point, nth: point.startsWith('backup.') ? 1 : 1 + (((from + n) * 7) % 12) };
  });
  test(`kills ${from + 1} to ${from + kills.length} lose nothing that was acknowledged`, async (t) => {
    const report = await killServer(t, temporaryDirectory(t), kills);
    assert.deepEqual(report, {
      kills: kills.length,
      wrong: [],
      problems: [],
      isRevisionMonotonic: true,
      strangeFiles: [],
    });
  });
}

test('a server killed in any migration has the newest schema after the next start, and a backup of what was', async (t) => {
  for (let nth = 1; nth < migrations.length; nth += 1) {
    for (const point of ['migrate.before-commit', 'migrate.after-commit']) {
      const state = temporaryDirectory(t);
      const file = join(state, 'warren.db');
      writeFirstSchema(file);
      const killed = await startServerProcess(t, { state, mayEnd: true, env: { WARREN_CRASH_AT: `${point}:${nth}` } });
      assert.equal((await killed.ended).signal, 'SIGKILL', killed.stderr());
      const server = await startServerProcess(t, { state });
      server.kill('SIGTERM');
      await server.ended;
      assert.deepEqual(inspectDatabase(file).problems, []);
      const again = await openStore({ file, clock: Date, random: randomBytes });
      assert.equal(again.position().epoch, epoch);
      assert.ok(readdirSync(state).some((name) => name.startsWith('warren.db.before-schema-')));
      await again.close();
    }
  }
});

const epoch = 'eaaaaaaaaaaaaaaaa';

/** An empty mesh as the first release left it. */
function writeFirstSchema(file: string): void {
  const database = new Database(file);
  database.exec(initial);
  database.pragma(`application_id = ${applicationId}`);
  database.pragma('user_version = 1');
  database.exec(`INSERT INTO meta (id, epoch, revision, oldest_revision, mesh_revision, ula, mtu, keepalive_seconds,
    created_at, checked_at) VALUES (1, '${epoch}', 0, 0, 0, 'fd12:3456:789a::/48', 1420, 25, 1000, 1000)`);
  database.close();
}

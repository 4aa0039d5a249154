/** Backups onto a small disk: fills it, tries, frees it, tries again; prints what was there each time. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { drillBackup } from '../../../server/backups/drill.ts';
import { generateBackupKey } from '../../../server/backups/keys.ts';
import { type BackupSchedule, createBackupSchedule } from '../../../server/backups/schedule.ts';
import { loadServerConfig } from '../../../server/config.ts';
import { createMetrics } from '../../../server/status/metrics.ts';
import { openStore } from '../../../server/store/open.ts';
import { setUpMesh } from '../../../server/store/set-up.ts';
import { addHost, defaults, testClock } from '../store/support.ts';

const disk = process.argv[2] ?? '';
const state = mkdtempSync(join(tmpdir(), 'warren-full-'));
const clock = testClock();
const store = await openStore({ file: join(state, 'warren.db'), clock, random: randomBytes });
await setUpMesh(store, defaults);
await store.transact('server', (tx) => addHost(tx, 1));
const flags = { state, listen: '127.0.0.1:0', url: 'https://127.0.0.1:0' };
const config = await loadServerConfig({ flags, env: {} });

function scheduleOf(kind: 'open' | 'sealed'): BackupSchedule {
  const recipients = kind === 'open' ? [] : [generateBackupKey().recipient];
  const backups = { directory: join(disk, kind), everyMinutes: 60, keep: 3, recipients };
  const log = pino({ level: 'silent' });
  return createBackupSchedule({ store, clock, log, config: { ...config, backups }, metrics: createMetrics() });
}
const schedules = { open: scheduleOf('open'), sealed: scheduleOf('sealed') };

async function round(): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {};
  for (const kind of ['open', 'sealed'] as const) {
    await schedules[kind].runOnce();
    const names = readdirSync(join(disk, kind));
    const drafts = names.filter((name) => name.endsWith('.partial')).length;
    seen[kind] = { state: schedules[kind].standing().state, count: names.length - drafts, drafts };
  }
  return seen;
}

/** All but a few KiB. */
function fill(): void {
  for (let size = 256 * 1024; size >= 4096; size /= 2) {
    for (let n = 0; ; n += 1) {
      try {
        writeFileSync(join(disk, `fill-${size}-${n}`), Buffer.alloc(size));
      } catch {
        rmSync(join(disk, `fill-${size}-${n}`), { force: true });
        break;
      }
    }
  }
}

try {
  await round();
  const [first = ''] = readdirSync(join(disk, 'open'));
  clock.advance(3_600_000);
  fill();
  const full = await round();
  const { problems } = await drillBackup({
    file: join(disk, 'open', first),
    key: undefined,
    now: clock.now(),
    scratch: state,
  });
  for (const name of readdirSync(disk).filter((one) => one.startsWith('fill-'))) rmSync(join(disk, name));
  clock.advance(3_600_000);
  const freed = await round();
  // No server ever started on this store, so it has no CA and no key; everything else must be there.
  const isOldWhole = problems.every((one) => /^the CA is missing|^no admin key/.test(one));
  process.stdout.write(JSON.stringify({ full, freed, isOldWhole }));
} finally {
  await store.close();
  rmSync(state, { recursive: true, force: true });
}

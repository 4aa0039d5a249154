/** A server whose state directory is on a small disk (the first argument): fills it under the server, then frees it. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../support/wait.ts';
import { startTestServer } from '../http/test-server.ts';

process.env['TMPDIR'] = process.argv[2] ?? '';
const server = await startTestServer();
const key = server.adminKey;
const host = await server.enroll();
const feed = await server.open('/agent/v1/feed', { identity: host.identity });
let isFeedOpen = true;
feed.on('close', () => (isFeedOpen = false)).on('error', () => undefined);
feed.resume();
let made = 0;

async function create(): Promise<string> {
  const { status, json } = await server.ask('/api/v1/hosts', { method: 'POST', key, body: { name: `host-${made}` } });
  if (status === 201) made += 1;
  return status === 201 ? '201' : `${status} ${String(json['code'])}`;
}

/** To the last byte. */
function fill(): void {
  for (let size = 256 * 1024; size >= 1; size = Math.floor(size / 2)) {
    for (let n = 0; n < 64; n += 1) {
      try {
        writeFileSync(join(tmpdir(), `fill-${size}-${n}`), Buffer.alloc(size));
      } catch {
        break;
      }
    }
  }
}

const statusOf = async (path: string): Promise<number> => (await server.ask(path, { key })).status;
const countHosts = async (): Promise<number> => {
  const { json } = await server.ask('/api/v1/hosts?limit=1000', { key });
  return (json['items'] as unknown[]).length;
};

try {
  const before = await create();
  fill();
  // What the log still has room for is written; then nothing is.
  let full = await create();
  for (let n = 0; n < 500 && full === '201'; n += 1) full = await create();
  const acknowledged = made + 1;
  const report = await server.ask('/agent/v1/feed', { method: 'HEAD', identity: host.identity });
  const during = {
    ready: await until('readiness to say so', { seconds: 10 }, async () => {
      const status = await statusOf('/readyz');
      return status === 200 ? undefined : status;
    }),
    alive: await statusOf('/healthz'),
    read: await statusOf('/api/v1/mesh'),
    isComplete: (await countHosts()) === acknowledged,
    isFeedOpen,
    isFeedServed: report.status !== 500,
  };
  for (const name of readdirSync(tmpdir()).filter((one) => one.startsWith('fill-'))) rmSync(join(tmpdir(), name));
  const after = {
    ready: await until('readiness again', { seconds: 10 }, async () => (await statusOf('/readyz')) === 200),
    create: await create(),
    isComplete: (await countHosts()) === acknowledged + 1,
    isFeedOpen,
  };
  process.stdout.write(JSON.stringify({ before, full, during, after }));
} finally {
  feed.destroy();
  await server.stop();
}

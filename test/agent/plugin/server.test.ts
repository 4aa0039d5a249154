import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pino } from 'pino';
import { systemClock } from '../../../agent/clock.ts';
import type { Method } from '../../../agent/plugin/methods.ts';
import { type PluginServer, servePlugin } from '../../../agent/plugin/server.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { ask } from './support.ts';
import { until } from '../../support/wait.ts';

const dir = mkdtempSync(join(tmpdir(), 'warren-plugin-'));
after(() => rmSync(dir, { recursive: true }));

const placeAt = (path: string) => ({ path, turnPath: join(dir, 'turn'), owner: dir });

const serve = (path: string): PluginServer =>
  servePlugin({
    place: placeAt(path),
    clock: systemClock,
    log: pino({ level: 'silent' }),
    methods: new Map<string, Method>([
      ['Plugin.Activate', () => Promise.resolve({ Implements: [] })],
      ['IpamDriver.Fail', () => Promise.reject(new WarrenError('no-lease', 'no lease'))],
      ['NetworkDriver.Fail', () => Promise.reject(new WarrenError('no-lease', 'no lease'))],
      ['NetworkDriver.Echo', (body: unknown) => Promise.resolve(body)],
    ]),
  });

const isServed = (path: string) =>
  until(
    'the drivers are served',
    { seconds: 5, everyMilliseconds: 10 },
    async () => (await ask(path, 'Plugin.Activate')).status === 200,
  );

test('the socket is for root alone, replaces what a dead agent left, and is gone when nobody answers any more', async () => {
  const path = join(dir, 'deep/er/a.sock');
  const first = serve(path);
  await isServed(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await first.stop();
  assert.equal(existsSync(path), false);
  writeFileSync(path, 'left over');
  const second = serve(path);
  await isServed(path);
  await second.stop();
});

test('an answer has the type and the error key that each driver of the engine reads', async () => {
  const path = join(dir, 'b.sock');
  const server = serve(path);
  await isServed(path);
  assert.equal((await ask(path, 'Plugin.Activate')).type, 'application/vnd.docker.plugins.v1.2+json');
  assert.deepEqual(JSON.parse((await ask(path, 'IpamDriver.Fail', '{}')).body), { Error: 'no lease' });
  assert.deepEqual(JSON.parse((await ask(path, 'NetworkDriver.Fail', 'null')).body), { Err: 'no lease' });
  assert.deepEqual(JSON.parse((await ask(path, 'NetworkDriver.Echo', '{"a":1}')).body), { a: 1 });
  assert.match((await ask(path, 'NetworkDriver.Echo', '{')).body, /not JSON/);
  assert.match((await ask(path, 'NetworkDriver.Echo', `"${'x'.repeat(1_100_000)}"`)).body, /longer than 1024 KiB/);
  assert.equal((await ask(path, 'NetworkDriver.GwAllocCheck', '{}')).status, 404);
  assert.equal((await ask(path, 'Plugin.Activate', '', 'GET')).status, 404);
  await server.stop();
});

test('a socket that somebody else answers on is left to them', async () => {
  const path = join(dir, 'c.sock');
  const other = createServer((_, reply) => reply.end('other'));
  await new Promise<void>((resolve) => other.listen(path, resolve));
  const server = serve(path);
  await server.stop();
  assert.equal((await ask(path, 'Plugin.Activate')).body, 'other');
  assert.deepEqual(server.faults(), []);
  other.close();
});

test('where the socket cannot be made, that is said', async () => {
  writeFileSync(join(dir, 'file'), '');
  const server = serve(join(dir, 'file/d.sock'));
  await server.stop();
  assert.match(server.faults()[0]?.why ?? '', /WARREN_PLUGIN_SOCKET/);
});

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { pino } from 'pino';
import { type LocalHandlers, localCalls } from '../../../agent/local/api.ts';
import { createAgentCall } from '../../../agent/local/client.ts';
import { listenLocally, socketPath } from '../../../agent/local/server.ts';
import { WarrenError } from '../../../shared/errors.ts';

const log = pino({ level: 'silent' });
const no = (): Promise<never> => Promise.reject(new WarrenError('no-lease', 'not in this test'));
const handlers: LocalHandlers = {
  ...(Object.fromEntries(Object.keys(localCalls).map((name) => [name, no])) as unknown as LocalHandlers),
  detach: () => Promise.resolve({}),
  attachments: () => Promise.resolve({ items: [] }),
};
const codeIs = (code: string) => (error: unknown) => error instanceof WarrenError && error.code === code;

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'warren-socket-'))));
afterEach(() => rmSync(dir, { recursive: true }));

test('only root reaches the socket, and errors keep their code', async () => {
  const local = await listenLocally(dir, log);
  local.serve(handlers);
  assert.equal(statSync(socketPath(dir)).mode & 0o777, 0o600);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  const call = createAgentCall(dir);
  assert.deepEqual(await call('attachments', {}), { items: [] });
  await assert.rejects(call('ping', { host: 'a', count: 1 }), codeIs('no-lease'));
  await assert.rejects(call('ping', { host: 'a', count: 0 }), codeIs('request-invalid'));
  await local.close();
  await assert.rejects(call('attachments', {}), codeIs('agent-not-running'));
});

test('of many that start at once exactly one listens, also where a dead one left its socket', async () => {
  for (let round = 0; round < 20; round += 1) {
    if (round % 2 === 0) writeFileSync(socketPath(dir), '');
    const starts = await Promise.allSettled(Array.from({ length: 8 }, () => listenLocally(dir, log)));
    const listening = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
    const refused = starts.flatMap((start) => (start.status === 'rejected' ? [start.reason as unknown] : []));
    await Promise.all(listening.map((one) => one.close()));
    assert.equal(listening.length, 1, `round ${round}`);
    for (const reason of refused) assert.ok(codeIs('agent-running')(reason), String(reason));
  }
  assert.deepEqual(readdirSync(dir), []);
});

test('an agent that died while it took its place holds nobody up for long', async () => {
  const turn = `${socketPath(dir)}.turn`;
  mkdirSync(turn);
  utimesSync(turn, new Date(0), new Date(0));
  const local = await listenLocally(dir, log);
  await local.close();
  assert.deepEqual(readdirSync(dir), []);
});

test('a socket that a dead agent left is no hindrance, one that is alive is', async () => {
  writeFileSync(socketPath(dir), '');
  const local = await listenLocally(dir, log);
  await assert.rejects(listenLocally(dir, log), codeIs('agent-running'));
  await local.close();
  const foreign = createServer().listen(socketPath(dir));
  await new Promise((resolve) => foreign.once('listening', resolve));
  await assert.rejects(listenLocally(dir, log), codeIs('agent-running'));
  await new Promise((resolve) => foreign.close(resolve));
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadSettings } from '../../agent/config.ts';
import { enroll } from '../../agent/enroll.ts';
import { openState } from '../../agent/state.ts';
import { fetchPinnedCa, keepCa } from '../../agent/server-ca.ts';
import { createLink } from '../../agent/transport.ts';
import { showMesh } from '../../shared/api/status.ts';
import { createToken } from '../../shared/api/tokens.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { FeedFrame } from '../../shared/protocol.ts';
import { parseToken } from '../../shared/token.ts';
import { FakeHost } from '../support/fake-host.ts';
import { type LoopbackServer, createLoopbackServer } from '../support/loopback-server.ts';

const dir = mkdtempSync(join(tmpdir(), 'warren-https-'));
let server: LoopbackServer;
let url: string;
let pin: string;

const newToken = async (): Promise<string> => (await server.call('admin')(createToken, { body: {} })).token;
const join1 = async (token: string, name: string) => {
  const state = await openState(join(dir, name));
  const settings = loadSettings({ env: { WARREN_STATE_DIR: state.directory } });
  const rest = { advertise: [], endpoints: [], machineName: name, listenPort: 51820 };
  const enrolled = await enroll({ token: parseToken(token), settings, state, system: new FakeHost().system, ...rest });
  return { state, enrolled };
};
const codeIs = (code: string) => (error: unknown) => error instanceof WarrenError && error.code === code;

before(async () => {
  server = await createLoopbackServer(dir);
  await server.start();
  pin = (await server.call('admin')(showMesh)).caPin;
  url = parseToken(await newToken()).serverUrl;
});
after(async () => {
  await server.stop('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

test('the CA is believed by its pin, and no other is', async () => {
  assert.match((await fetchPinnedCa(url, pin)).pem, /^-----BEGIN CERTIFICATE-----/);
  await assert.rejects(fetchPinnedCa(url, `${'A'.repeat(43)}=`), codeIs('server-untrusted'));
  await assert.rejects(fetchPinnedCa('https://127.0.0.1:1', pin), codeIs('unreachable'));
});

test('a host that joins again with its keys is the same host, and a used token enrolls no other', async () => {
  const token = await newToken();
  const first = await join1(token, 'again');
  const second = await join1(token, 'again');
  assert.equal(second.enrolled.hostId, first.enrolled.hostId);
  assert.equal(second.enrolled.isAgain, true);
  await assert.rejects(join1(token, 'another'), codeIs('token-invalid'));
});

test('the feed brings standing and map, and leaving ends it all', async () => {
  const { state } = await join1(await newToken(), 'feeder');
  const link = createLink(
    url,
    () => state.readCredentials(),
    (pem) => keepCa(state, pem),
  );
  const stop = new AbortController();
  const kinds: string[] = [];
  const ended = link.openFeed(
    undefined,
    (frame: FeedFrame) => {
      kinds.push(frame.kind);
      if (frame.kind === 'map') stop.abort();
    },
    stop.signal,
  );
  await assert.rejects(ended, codeIs('unreachable'));
  assert.deepEqual(kinds, ['standing', 'map']);
  assert.equal(link.path()?.server, '127.0.0.1');
  await link.leave();
  await assert.rejects(link.leave(), WarrenError);
  link.close();
});

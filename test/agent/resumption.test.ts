import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { TLSSocket } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { loadSettings } from '../../agent/config.ts';
import { enroll } from '../../agent/enroll.ts';
import { type State, openState } from '../../agent/state.ts';
import { keepCa } from '../../agent/server-ca.ts';
import { type ServerLink, createLink } from '../../agent/transport.ts';
import { createToken } from '../../shared/api/tokens.ts';
import { parseToken } from '../../shared/token.ts';
import { FakeHost } from '../support/fake-host.ts';
import { emptyReport } from '../support/report-body.ts';
import { type LoopbackServer, createLoopbackServer } from '../support/loopback-server.ts';

const dir = mkdtempSync(join(tmpdir(), 'warren-resumption-'));
let server: LoopbackServer;
let state: State;
let link: ServerLink;
/** Whether each connection went on with an earlier TLS session, in the order of the answers on them. */
let isReused: boolean[] = [];
const known = new WeakSet<TLSSocket>();
const look = (message: unknown): void => {
  const { socket, path } = (message as { request: ClientRequest }).request;
  if (!(socket instanceof TLSSocket) || known.has(socket) || !path.startsWith('/agent/')) return;
  known.add(socket);
  isReused.push(socket.isSessionReused());
};

/** Opens the feed and closes it after its first frame. */
const openAndClose = async (): Promise<void> => {
  const stop = new AbortController();
  await link.openFeed(undefined, () => stop.abort(), stop.signal).catch(() => undefined);
};

before(async () => {
  subscribe('http.client.response.finish', look);
  server = await createLoopbackServer(dir);
  await server.start();
  const { token } = await server.call('admin')(createToken, { body: {} });
  state = await openState(join(dir, 'host'));
  const settings = loadSettings({ env: { WARREN_STATE_DIR: state.directory } });
  const machine = { system: new FakeHost().system, machineName: 'web-1', listenPort: 51820 };
  await enroll({ token: parseToken(token), settings, state, ...machine, advertise: [], endpoints: [] });
});
beforeEach(async () => {
  isReused = [];
  const serverUrl = (await state.readHost())?.serverUrl ?? '';
  link = createLink(
    serverUrl,
    () => state.readCredentials(),
    (pem) => keepCa(state, pem),
  );
});
after(async () => {
  unsubscribe('http.client.response.finish', look);
  await server.stop('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

test('the feed that comes back goes on with its TLS session, and so does the report beside it', async () => {
  await openAndClose();
  await openAndClose();
  await openAndClose();
  await link.report(emptyReport);
  link.close();
  assert.deepEqual(isReused, [false, true, true, true]);
});

test('a server that was restarted is met with a whole handshake, and the next connection is short again', async () => {
  await openAndClose();
  await server.stop('SIGTERM');
  await server.start();
  await openAndClose();
  await openAndClose();
  link.close();
  assert.deepEqual(isReused, [false, false, true]);
});

test('a new certificate begins a new session', async () => {
  await openAndClose();
  link.refresh();
  await openAndClose();
  link.close();
  assert.deepEqual(isReused, [false, false]);
});

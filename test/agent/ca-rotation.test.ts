/** A new CA under a real server's hosts: those who watch, those who sleep, and those who join with a token of before. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadSettings } from '../../agent/config.ts';
import { enroll } from '../../agent/enroll.ts';
import { makeCsr } from '../../agent/identity.ts';
import { keepCa } from '../../agent/server-ca.ts';
import { type State, openState } from '../../agent/state.ts';
import { type ServerLink, createLink } from '../../agent/transport.ts';
import { getCa, retireCa, rotateCa } from '../../shared/api/ca.ts';
import { createToken } from '../../shared/api/tokens.ts';
import { parseToken } from '../../shared/token.ts';
import { FakeHost } from '../support/fake-host.ts';
import { type LoopbackServer, createLoopbackServer } from '../support/loopback-server.ts';
import { emptyReport } from '../support/report-body.ts';

const dir = mkdtempSync(join(tmpdir(), 'warren-ca-'));
let server: LoopbackServer;
/** Made before the CA was replaced, for two hosts. */
let token: string;
let web: State;

const joinMesh = async (name: string, state: State): Promise<void> => {
  const settings = loadSettings({ env: { WARREN_STATE_DIR: state.directory } });
  const machine = { system: new FakeHost().system, machineName: name, listenPort: 51820 };
  await enroll({ token: parseToken(token), settings, state, ...machine, advertise: [], endpoints: [] });
};
const linkOf = async (state: State): Promise<ServerLink> => {
  const serverUrl = (await state.readHost())?.serverUrl ?? '';
  return createLink(
    serverUrl,
    () => state.readCredentials(),
    (pem) => keepCa(state, pem),
  );
};
const report = async (state: State): Promise<void> => {
  const link = await linkOf(state);
  await link.report(emptyReport).finally(() => link.close());
};
const renew = async (state: State): Promise<void> => {
  const link = await linkOf(state);
  const csr = await makeCsr(await state.identityKey(), 'x');
  const { publicKey } = await state.wireguardKeys();
  const { certificate } = await link.renew({ csr, publicKey }).finally(() => link.close());
  await state.writeCertificate(certificate);
};
const copyOf = (name: string, state: State): Promise<State> => {
  cpSync(state.directory, join(dir, name), { recursive: true });
  return openState(join(dir, name));
};
const admin = (): ReturnType<LoopbackServer['call']> => server.call('admin');
const pinKept = async (state: State): Promise<string | undefined> => (await state.readHost())?.caPin;

before(async () => {
  server = await createLoopbackServer(dir);
  await server.start();
  ({ token } = await admin()(createToken, { body: { uses: 3 } }));
  web = await openState(join(dir, 'web'));
  await joinMesh('web', web);
});
after(async () => {
  await server.stop('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

test('hosts follow a new CA, one that slept through two of them too, and old tokens go on', async () => {
  const sleeper = await copyOf('sleeper', web);
  const first = (await admin()(getCa)).pin;
  assert.equal(await pinKept(web), first);

  const { pin: second, hostsBehind } = await admin()(rotateCa);
  assert.notEqual(second, first);
  assert.deepEqual(hostsBehind, ['web']);
  await report(web);
  assert.equal(await pinKept(web), second);

  await server.stop('SIGKILL');
  await server.start();
  const { pin: third, formers } = await admin()(rotateCa);
  assert.deepEqual(
    formers.map(({ pin }) => pin),
    [second, first],
  );
  await report(web);
  await report(sleeper);
  for (const state of [web, sleeper]) {
    assert.equal(await pinKept(state), third);
    assert.equal(
      readFileSync(join(state.directory, 'ca.crt'), 'utf8'),
      readFileSync(join(dir, 'server/ca.crt'), 'utf8'),
    );
  }

  const late = await openState(join(dir, 'late'));
  await joinMesh('late', late);
  await report(late);
  assert.equal(await pinKept(late), third);
});

test('a former CA is retired once no host needs it, and with it what it signed', async () => {
  const stolen = await copyOf('stolen', web);
  await assert.rejects(admin()(retireCa, { body: {} }), /web/);
  await renew(web);
  const { hostsBehind, formers } = await admin()(retireCa, { body: {} });
  assert.deepEqual([hostsBehind, formers], [[], []]);
  await report(web);
  await assert.rejects(report(stolen), { code: 'certificate-invalid' });
  await assert.rejects(admin()(retireCa, { body: {} }), { code: 'conflict' });
});

test('who slept through the retirement is told that the server is not the one it knows, and joins again', async () => {
  const asleep = await copyOf('asleep', web);
  const before = await asleep.readHost();
  await admin()(rotateCa);
  await admin()(retireCa, { body: { isForced: true } });
  await assert.rejects(report(asleep), { code: 'server-untrusted' });
  ({ token } = await admin()(createToken, { body: {} }));
  await asleep.forget();
  await joinMesh('web', asleep);
  await report(asleep);
  assert.equal((await asleep.readHost())?.hostId, before?.hostId);
});

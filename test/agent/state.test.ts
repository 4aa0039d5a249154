import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { makeIdentityKey } from '../../agent/identity.ts';
import { type State, openState } from '../../agent/state.ts';
import { WarrenError } from '../../shared/errors.ts';

let dir: string;
let state: State;
beforeEach(async () => {
  dir = join(mkdtempSync(join(tmpdir(), 'warren-state-')), 'default');
  state = await openState(dir);
});
afterEach(() => rmSync(join(dir, '..'), { recursive: true }));

const modeOf = (path: string): number => statSync(path).mode & 0o777;
const codeIs = (code: string) => (error: unknown) => error instanceof WarrenError && error.code === code;

test('keys are made once, in files only root reads, in a directory only root enters', async () => {
  const first = await state.wireguardKeys();
  const identity = await state.identityKey();
  const again = await openState(dir);
  assert.equal((await again.wireguardKeys()).publicKey, first.publicKey);
  assert.equal(await again.identityKey(), identity);
  assert.equal(modeOf(dir), 0o700);
  assert.equal(modeOf(join(dir, 'wireguard.key')), 0o600);
  assert.equal(modeOf(join(dir, 'identity.key')), 0o600);
});

test('a rotation is finished by one rename, and what stands in between is there after a crash', async () => {
  const old = await state.wireguardKeys();
  const next = await state.makeNextWireguardKeys();
  const again = await openState(dir);
  assert.equal((await again.wireguardKeys()).publicKey, old.publicKey);
  assert.equal((await again.nextWireguardKeys())?.publicKey, next.publicKey);
  await again.promoteWireguardKeys();
  assert.equal((await again.wireguardKeys()).publicKey, next.publicKey);
  assert.equal(await again.nextWireguardKeys(), undefined);
});

test('damaged files are told by name', async () => {
  for (const [name, read] of [
    ['wireguard.key', () => state.wireguardKeys()],
    ['identity.key', () => state.identityKey()],
    ['host.json', () => state.readHost()],
    ['map.json', () => state.readMap()],
  ] as const) {
    writeFileSync(join(dir, name), '{"half":');
    await assert.rejects(read(), (error) => codeIs('state-corrupt')(error) && String(error).includes(name));
  }
});

test('a damaged certificate is told by name and with what mends it', async () => {
  await state.writeCa('ca');
  writeFileSync(join(dir, 'identity.key'), makeIdentityKey());
  await state.writeCertificate('-----BEGIN CERTIFICATE-----\nhalf');
  await assert.rejects(state.readCredentials(), /identity\.crt is not a certificate; run 'warren join TOKEN' again/);
});

test('without certificate the machine is not enrolled', async () => {
  await assert.rejects(state.readCredentials(), codeIs('not-enrolled'));
});

test('forgetting keeps the keys, purging keeps nothing', async () => {
  await state.wireguardKeys();
  await state.identityKey();
  await state.writeCertificate('x');
  await state.writeAttachments('{}');
  await state.forget();
  assert.deepEqual(readdirSync(dir).sort(), ['identity.key', 'wireguard.key']);
  await state.purge();
  assert.throws(() => statSync(dir));
});

test('kernel switches keep the value they had first', async () => {
  await state.keepSysctls({ 'net/ipv4/ip_forward': '0' });
  await state.keepSysctls({ 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '0' });
  assert.deepEqual(await state.readSysctls(), { 'net/ipv4/ip_forward': '0', 'net/ipv6/conf/all/forwarding': '0' });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeBackend } from '../../../agent/system/backend.ts';
import { AgentFixture, fakeHost } from '../../support/agent-fixture.ts';
import { meshOf } from '../../support/mesh-map.ts';

const versions = (byPath: Readonly<Record<string, string>>) => ({
  hasKernelWireguard: false,
  answer: ([path, option]: readonly string[]) =>
    option === '--version' ? byPath[path ?? ''] && `wireguard-go ${byPath[path ?? '']}\n` : undefined,
});

async function backendOf(options: Parameters<typeof fakeHost>[0]) {
  const host = fakeHost(options);
  const agent = new AgentFixture(host.system);
  await agent.pass(meshOf(2));
  const { observed } = await agent.pass(meshOf(2));
  const started = host.commands.filter((line) => line.endsWith('wireguard-go warren0'));
  return { backend: await describeBackend(host.system, agent.settings, observed), started };
}

test('the kernel comes first', async () => {
  const { backend, started } = await backendOf({});
  assert.deepEqual(backend, { kind: 'kernel', version: '6.1.0-fake', isSlow: false });
  assert.deepEqual(started, []);
});

test('of several wireguard-go the newest is used', async () => {
  const paths = { 'wireguard-go': '0.0.20220316', '/usr/local/lib/warren/wireguard-go': 'v0.0.20230223' };
  const { backend, started } = await backendOf(versions(paths));
  assert.deepEqual(backend, { kind: 'wireguard-go', version: '0.0.20230223', isSlow: false });
  assert.deepEqual(started, ['/usr/local/lib/warren/wireguard-go warren0']);
});

test('a build before 2023 is called slow', async () => {
  const paths = { 'wireguard-go': '0.0.20220316', '/usr/local/lib/warren/wireguard-go': '0.0.20210424' };
  const { backend, started } = await backendOf(versions(paths));
  assert.deepEqual(backend, { kind: 'wireguard-go', version: '0.0.20220316', isSlow: true });
  assert.deepEqual(started, ['wireguard-go warren0']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CniError } from '../../../agent/cni/error.ts';
import { runCni } from '../../../agent/cni/plugin.ts';
import { readRequest } from '../../../agent/cni/request.ts';
import type { CallAgent } from '../../../agent/local/client.ts';
import type { CniAdded, CniState } from '../../../agent/local/api.ts';
import type { System } from '../../../agent/system/run.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { parseInterfaceName } from '../../../shared/names.ts';
import type { Address } from '../../../shared/net/address.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';

const netns = '/run/netns/n1';
const owner = { network: 'mesh', containerId: 'c1', interface: parseInterfaceName('eth0') };
const config = { cniVersion: '1.1.0', name: 'mesh', type: 'warren-cni' };
const gateway = '10.210.1.1' as Address;
const added: CniAdded = {
  mtu: 1420,
  mac: '02:00:00:00:00:02',
  host: { name: 'wv1', mac: '02:00:00:00:00:01' },
  bridge: { name: 'warren-br', mac: '02:00:00:00:00:09' },
  addresses: [{ address: '10.210.1.2/24', gateway }],
  routes: [{ prefix: parseCidr('0.0.0.0/0'), gateway }],
};
const state: CniState = {
  isMember: true,
  hasBridge: true,
  entries: [{ owner, netns, addresses: ['10.210.1.2' as Address], mac: added.mac }],
};

/** The agent as the plugin sees it: what it was asked, in order, and what it answers. */
function agent(answers: { add?: CniAdded | WarrenError; remove?: WarrenError; state?: CniState | WarrenError } = {}) {
  const asked: [string, unknown][] = [];
  const answerOf = (name: string): unknown =>
    name === 'cniadd'
      ? (answers.add ?? added)
      : name === 'cnistate'
        ? (answers.state ?? state)
        : (answers.remove ?? {});
  const call = ((name: string, body: unknown) => {
    asked.push([name, body]);
    const answer = answerOf(name);
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }) as CallAgent;
  return { call, asked };
}

/** A machine that has the namespace or has not; the plugin runs nothing else here. */
const machine = (hasNamespace = true): System =>
  ({ fileExists: () => Promise.resolve(hasNamespace) }) as unknown as System;

function ask(command: string, changes: object = {}, env: Record<string, string> = {}) {
  const environment = { CNI_COMMAND: command, CNI_CONTAINERID: 'c1', CNI_NETNS: netns, CNI_IFNAME: 'eth0', ...env };
  return readRequest(environment, JSON.stringify({ ...config, ...changes }));
}

const run = (command: string, { call }: { call: CallAgent }, changes: object = {}, env: Record<string, string> = {}) =>
  runCni(ask(command, changes, env), { call, system: machine() });

const withCode = (code: number) => (error: unknown) => error instanceof CniError && error.code === code;

test('VERSION names the versions and asks no agent', async () => {
  const { call, asked } = agent();
  const reply = (await run('VERSION', { call })) as { cniVersion: string; supportedVersions: string[] };
  assert.equal(reply.cniVersion, '1.1.0');
  assert.ok(reply.supportedVersions.includes('0.4.0'));
  assert.deepEqual(asked, []);
});

test('ADD answers bridge, both ends, addresses and the default route', async () => {
  const { call, asked } = agent();
  const result = (await run('ADD', { call }, { segment: 'blue' })) as Record<string, unknown>;
  assert.deepEqual(asked, [
    [
      'cniadd',
      { owner, netns, addresses: [], mac: null, name: null, services: [], segment: 'blue', isDefaultGateway: true },
    ],
  ]);
  assert.deepEqual(result['routes'], [{ dst: '0.0.0.0/0', gw: gateway }]);
  assert.deepEqual(
    (result['interfaces'] as { name: string; sandbox?: string }[]).map(({ name, sandbox }) => [name, sandbox]),
    [
      ['warren-br', undefined],
      ['wv1', undefined],
      ['eth0', netns],
    ],
  );
});

test('ADD without the default route answers the routes that the agent made', async () => {
  const pool = { prefix: parseCidr('10.210.0.0/16'), gateway };
  const { call, asked } = agent({ add: { ...added, routes: [pool] } });
  const result = (await run('ADD', { call }, { isDefaultGateway: false })) as { routes: unknown };
  assert.deepEqual(
    asked.map(([, body]) => (body as { isDefaultGateway: boolean }).isDefaultGateway),
    [false],
  );
  assert.deepEqual(result.routes, [{ dst: '10.210.0.0/16', gw: gateway }]);
});

test('isDefaultGateway that is neither true nor false is refused by its name', () => {
  assert.throws(
    () => ask('ADD', { isDefaultGateway: 'no' }),
    (error: unknown) => withCode(7)(error) && String(error).includes('isDefaultGateway'),
  );
});

test('ADD in a chain keeps what came before, and its indexes, and refuses a result that is none', async () => {
  const prevResult = {
    cniVersion: '1.1.0',
    interfaces: [{ name: 'lo', sandbox: netns }],
    ips: [{ address: '127.0.0.1/8', interface: 0 }],
    routes: [{ dst: '192.0.2.0/24' }],
  };
  const result = (await run('ADD', agent(), { prevResult })) as {
    interfaces: { name: string }[];
    ips: { address: string; interface: number }[];
    routes: { dst: string }[];
  };
  assert.deepEqual(
    result.ips.map((ip) => [ip.address, result.interfaces[ip.interface]?.name]),
    [
      ['127.0.0.1/8', 'lo'],
      ['10.210.1.2/24', 'eth0'],
    ],
  );
  assert.deepEqual(
    result.routes.map(({ dst }) => dst),
    ['192.0.2.0/24', '0.0.0.0/0'],
  );
  const { call, asked } = agent();
  await assert.rejects(run('ADD', { call }, { prevResult: { ips: 'none' } }), withCode(6));
  assert.deepEqual(asked, [], 'nothing was made');
});

test('what the agent refuses has the number that the specification gives it', async () => {
  for (const [code, number] of [
    ['agent-not-running', 11],
    ['no-lease', 11],
    ['attachment-target-missing', 3],
    ['attachment-conflict', 101],
    ['addresses-exhausted', 102],
  ] as const) {
    await assert.rejects(run('ADD', agent({ add: new WarrenError(code, 'no') })), withCode(number), code);
  }
});

test('DEL of what is gone succeeds, twice, without a namespace and without an agent', async () => {
  const { call, asked } = agent();
  for (let i = 0; i < 2; i += 1) assert.equal(await run('DEL', { call }), undefined);
  assert.equal(await run('DEL', { call }, {}, { CNI_NETNS: '' }), undefined);
  assert.deepEqual(
    asked,
    Array.from({ length: 3 }, () => ['cniremove', owner]),
  );
  const away = agent({ remove: new WarrenError('agent-not-running', 'away') });
  assert.equal(await run('DEL', away, {}, { CNI_NETNS: '' }), undefined);
  assert.equal(await runCni(ask('DEL'), { call: away.call, system: machine(false) }), undefined);
});

test('DEL of a container that is still there asks to come again while the agent is away', async () => {
  await assert.rejects(run('DEL', agent({ remove: new WarrenError('agent-not-running', 'away') })), withCode(11));
});

test('CHECK says what the agent has no longer', async () => {
  await assert.rejects(run('CHECK', agent({ state: { ...state, entries: [] } })), withCode(103));
});

test('GC removes what is not listed, of this network only', async () => {
  const other = { ...owner, network: 'elsewhere' };
  const gone = { ...owner, containerId: 'c2' };
  const entries = [owner, gone, other].map((one) => ({ owner: one, netns, addresses: [], mac: added.mac }));
  const { call, asked } = agent({ state: { ...state, entries } });
  await run('GC', { call }, { 'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }] });
  assert.deepEqual(asked, [
    ['cnistate', {}],
    ['cniremove', gone],
  ]);
});

test('STATUS is silent when all is well, and tells an agent that is away from a host that is out of the mesh', async () => {
  assert.equal(await run('STATUS', agent()), undefined);
  await assert.rejects(run('STATUS', agent({ state: new WarrenError('agent-not-running', 'away') })), withCode(50));
  await assert.rejects(run('STATUS', agent({ state: { ...state, isMember: false } })), withCode(51));
  await assert.rejects(run('STATUS', agent({ state: { ...state, hasBridge: false } })), withCode(50));
});

test('a command is refused before the version that brought it', () => {
  for (const [command, cniVersion] of [
    ['CHECK', '0.3.1'],
    ['GC', '1.0.0'],
    ['STATUS', '1.0.0'],
  ] as const) {
    assert.throws(() => ask(command, { cniVersion }), withCode(1), command);
  }
});

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { pino } from 'pino';
import { type Reach, nothingReached, reachOf } from '../../../agent/hooks/reach.ts';
import { type Hooks, startHooks } from '../../../agent/hooks/room.ts';
import { createSystem } from '../../../agent/system/run.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { meshOf } from '../../support/mesh-map.ts';
import { until } from '../../support/wait.ts';
import { facts } from './support.ts';

/** Real executables in a folder of root's: only root's are run. */
const asRoot = { skip: process.getuid?.() !== 0 && 'only root makes files that hooks may be' };
const place = { instance: 'default', hostName: 'host-1', interfaceName: 'warren0', bridgeName: 'warren-br' };

let base: string;
let dir: string;
let reached: Reach | undefined;
let hooks: Hooks;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'warren-hooks-'));
  dir = join(base, 'hooks');
  mkdirSync(dir);
  reached = undefined;
  hooks = start();
});
afterEach(() => {
  hooks.stop();
  rmSync(base, { recursive: true });
});

function start(): Hooks {
  return startHooks({
    dir,
    runDir: base,
    system: createSystem(),
    clock: createFakeClock(),
    log: pino({ level: 'silent' }),
    place: () => place,
    reach: () => reached,
    onChange: () => undefined,
  });
}

function put(name: string, script: string): void {
  writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(dir, name), 0o755);
}

const note = 'echo "$WARREN_EVENT $NODE $SUBNET" >>"$(dirname "$0")"/../calls';
const calls = (): string[] => {
  const file = join(base, 'calls');
  return existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => line.trim())
    : [];
};
const mesh = (...up: number[]): Reach => reachOf(facts(meshOf(4), Object.fromEntries(up.map((n) => [n, 1]))));

const namesIn = ({ hosts, subnets }: Reach): string =>
  [...hosts.map((host) => host.name), ...subnets.map((one) => one.prefix)].sort().join();

/** Told until nothing is left to tell. */
async function settle(): Promise<void> {
  hooks.look();
  await until('all is told', { seconds: 20, everyMilliseconds: 10 }, () => {
    hooks.look();
    const told = JSON.parse(readFileSync(join(base, 'hooks.json'), 'utf8')) as Reach;
    return namesIn(told) === namesIn(reached ?? nothingReached);
  });
}

test('hooks are called one after the other, in order', asRoot, async () => {
  for (const name of ['warren-up', 'host-up', 'host-down']) put(name, `sleep 0.1; ${note}`);
  reached = mesh(2, 3);
  await settle();
  assert.deepEqual(calls(), ['warren-up', 'host-up host-2', 'host-up host-3']);
  reached = mesh(3);
  await settle();
  assert.deepEqual(calls().slice(3), ['host-down host-2']);
});

test('nothing is told while nothing is known', asRoot, async () => {
  put('warren-up', note);
  put('warren-down', note);
  hooks.look();
  reached = mesh(2);
  await settle();
  reached = undefined;
  hooks.look();
  reached = mesh(2);
  await settle();
  assert.deepEqual(calls(), ['warren-up']);
});

test('an agent that starts again tells only what changed meanwhile', asRoot, async () => {
  for (const name of ['warren-up', 'host-up', 'host-down']) put(name, note);
  reached = mesh(2, 3);
  await settle();
  hooks.stop();
  hooks = start();
  reached = mesh(3, 4);
  await settle();
  assert.deepEqual(calls().slice(3), ['host-down host-2', 'host-up host-4']);
});

test('a host that came and went while a hook ran is not told of', asRoot, async () => {
  put('host-down', note);
  put('host-up', `${note}; while [ ! -e "$(dirname "$0")"/../go ]; do sleep 0.05; done`);
  reached = mesh(2);
  hooks.look();
  await until('the hook runs', { seconds: 10 }, () => calls().length === 1);
  for (const one of [mesh(), mesh(2, 3), mesh(2)]) {
    reached = one;
    hooks.look();
  }
  writeFileSync(join(base, 'go'), '');
  await settle();
  assert.deepEqual(calls(), ['host-up host-2']);
});

test('a hook that fails is a failure with what it said, until it succeeds or is mended', asRoot, async () => {
  put('host-up', 'echo "no such table" >&2; exit 3');
  reached = mesh(2, 3);
  await settle();
  const [fault] = hooks.faults();
  assert.deepEqual([fault?.kind, fault?.subject], ['hook', 'host-up']);
  assert.match(fault?.why ?? '', /^host-up of host-3 failed with exit code 3: no such table$/);
  put('host-up', note);
  hooks.look();
  await until('it fails no more', { seconds: 10 }, () => hooks.faults().length === 0);
});

test('a hook that others can write is not called, and the next ones are', asRoot, async () => {
  put('host-up', note);
  chmodSync(join(dir, 'host-up'), 0o777);
  put('subnet-up', note);
  reached = mesh(2);
  await settle();
  assert.match(hooks.faults()[0]?.why ?? '', /can be written by others than root; run: chmod go-w/);
  assert.ok(calls().every((line) => line.startsWith('subnet-up')));
  assert.equal(calls().length, reached.subnets.length);
});

test('what a hook leaves running keeps no one waiting', asRoot, async () => {
  put('warren-up', `sleep 60 & echo $! >"$(dirname "$0")"/../pid; ${note}`);
  reached = mesh();
  await settle();
  assert.deepEqual(calls(), ['warren-up']);
  process.kill(Number(readFileSync(join(base, 'pid'), 'utf8')));
});

test('the environment of a hook is what is documented and nothing else', asRoot, async () => {
  process.env['WARREN_TOKEN_OF_A_TEST'] = 'secret';
  put('warren-up', `env >"$(dirname "$0")"/../env; ${note}`);
  reached = mesh();
  await settle();
  delete process.env['WARREN_TOKEN_OF_A_TEST'];
  const names = readFileSync(join(base, 'env'), 'utf8').matchAll(/^([A-Z_]+)=/gm);
  const own = [...names]
    .map(([, name]) => name)
    .filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name ?? ''));
  const mine = ['INTERFACE', 'LC_ALL', 'NAME', 'NETNAME', 'PATH', 'WARREN_ADDRESSES', 'WARREN_BRIDGE', 'WARREN_EVENT'];
  assert.deepEqual(new Set(own), new Set([...mine, 'WARREN_HOST_ID', 'WARREN_INSTANCE']));
});

test('leaving tells of the end, and forgets what was told', asRoot, async () => {
  for (const name of ['host-down', 'warren-down']) put(name, note);
  reached = mesh(2);
  await settle();
  await hooks.end();
  assert.deepEqual(calls(), ['host-down host-2', 'warren-down']);
  assert.equal(existsSync(join(base, 'hooks.json')), false);
  assert.notDeepEqual(reached, nothingReached);
});

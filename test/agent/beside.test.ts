import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBeside } from '../../agent/beside.ts';
import type { ObservedLink } from '../../agent/plan/observed.ts';
import type { System } from '../../agent/system/run.ts';
import { WarrenError } from '../../shared/errors.ts';
import { fakeHost, settingsOf } from '../support/agent-fixture.ts';

/** A system bus with resolved and firewalld on it, as busctl prints what they say. */
class FakeBus {
  asked = 0;
  isRunning = true;
  /** It knows of nothing it is asked about. */
  isMute = false;
  files = new Map([['/resolve/resolv.conf', 'nameserver 192.0.2.1\n']]);
  /** Happens while a question is being answered. */
  meanwhile: () => void = () => undefined;
  readonly system: System = {
    ...fakeHost().system,
    fileExists: () => Promise.resolve(true),
    readText: (path) => Promise.resolve(this.files.get(path)),
    run: ({ argv }) => {
      this.asked += 1;
      this.meanwhile();
      if (this.isMute && argv.includes('get-property'))
        return Promise.reject(new WarrenError('command-failed', 'unknown'));
      return Promise.resolve({ stdout: this.answer(argv), stderr: '', exitCode: 0 });
    },
  };

  private answer(argv: readonly string[]): string {
    const say = (...data: unknown[]): string => data.map((one) => JSON.stringify({ type: '', data: one })).join('\n');
    if (argv[0] === 'stat') return this.isRunning ? '4:1\n4:1\n' : '4:1\n4:2\n';
    if (argv.includes('GetConnectionUnixProcessID')) return say([1]);
    if (argv.includes('DefaultRoute')) return say([], [], false);
    if (argv.includes('getActiveZones'))
      return say([{ public: { interfaces: ['eth0'] }, work: { sources: ['192.0.2.0/24'] } }]);
    return say([[]]);
  }
}

const settings = settingsOf(1, { resolvedFolder: '/resolve', firewalldFolder: '/firewalld' });
const links = new Map([['warren0', { name: 'warren0', index: 7 } as ObservedLink]]);
const second = 1_000;

test('an answer counts while nothing tells of a change, and is asked for again in the end', async () => {
  const bus = new FakeBus();
  const beside = createBeside(bus.system);
  const look = async (now: number): Promise<number> => {
    const before = bus.asked;
    assert.deepEqual(await beside.resolver(settings, links, now), { servers: [], domains: [], isDefaultRoute: false });
    assert.deepEqual((await beside.firewalld(settings, now))?.zoneOf, new Map([['eth0', 'public']]));
    return bus.asked - before;
  };
  assert.ok((await look(0)) > 0);
  assert.equal(await look(30 * second), 0);
  assert.equal(await beside.isChanged(), false);
  assert.ok((await look(400 * second)) > 0);
});

test('resolved is asked again when its files are others than before', async () => {
  const bus = new FakeBus();
  const beside = createBeside(bus.system);
  assert.equal(await beside.isChanged(), false);
  await beside.resolver(settings, links, 0);
  bus.files.set('/resolve/netif/7', 'SERVERS=192.0.2.9');
  assert.equal(await beside.isChanged(), true);
  const before = bus.asked;
  await beside.resolver(settings, links, second);
  assert.ok(bus.asked > before);
  assert.equal(await beside.isChanged(), false);
});

test('what is taken back right after it was told is seen, though the files are as they were before it was told', async () => {
  const bus = new FakeBus();
  const beside = createBeside(bus.system);
  await beside.resolver(settings, links, 0);
  bus.files.set('/resolve/netif/7', 'DOMAINS=~warren.internal');
  beside.forgetResolver();
  await beside.resolver(settings, links, second);
  assert.equal(await beside.isChanged(), false);
  bus.files.delete('/resolve/netif/7');
  assert.equal(await beside.isChanged(), true);
});

test('what was answered while it was forgotten does not count', async () => {
  const bus = new FakeBus();
  const beside = createBeside(bus.system);
  bus.meanwhile = () => beside.forgetFirewalld();
  await beside.firewalld(settings, 0);
  bus.meanwhile = () => undefined;
  const before = bus.asked;
  await beside.firewalld(settings, second);
  const once = bus.asked;
  assert.ok(once > before);
  await beside.firewalld(settings, 2 * second);
  assert.equal(bus.asked, once);
});

test('who does not run in this network namespace is looked for with every full look, and not more often', async () => {
  const bus = new FakeBus();
  bus.isRunning = false;
  const beside = createBeside(bus.system);
  assert.equal(await beside.firewalld(settings, 0), undefined);
  const once = bus.asked;
  assert.equal(await beside.firewalld(settings, 10 * second), undefined);
  assert.equal(bus.asked, once);
  bus.isRunning = true;
  assert.ok((await beside.firewalld(settings, 30 * second)) !== undefined);
});

test('who has no answer yet is asked again soon', async () => {
  const bus = new FakeBus();
  bus.isMute = true;
  const beside = createBeside(bus.system);
  assert.equal(await beside.resolver(settings, links, 0), undefined);
  assert.equal(await beside.isChanged(), true);
  bus.isMute = false;
  assert.ok((await beside.resolver(settings, links, second)) !== undefined);
  assert.equal(await beside.isChanged(), false);
});

test('a host that has neither, or was told to ask neither, runs no program', async () => {
  const bus = new FakeBus();
  const absent = createBeside({ ...bus.system, fileExists: () => Promise.resolve(false) });
  assert.equal(await absent.resolver(settings, links, 0), undefined);
  assert.equal(await absent.firewalld(settings, 0), undefined);
  const off = createBeside(bus.system);
  assert.equal(await off.resolver(settingsOf(1), links, 0), undefined);
  assert.equal(await off.firewalld(settingsOf(1), 0), undefined);
  assert.equal(await off.resolver(settings, new Map(), 0), undefined);
  assert.equal(bus.asked, 0);
});

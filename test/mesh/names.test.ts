import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { makeNamespace } from '../support/namespace.ts';
import { startProcess } from '../support/process.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
const servers: Readonly<Record<string, string>> = { h1: '10.0.0.2', h2: '10.0.0.77', h3: '127.0.0.53' };
before(async () => {
  lab = await openLab();
  for (const name of ['h1', 'h2', 'h3']) {
    const host = await lab.addHost(name);
    // The other end of h1's question is a server of the underlay; h2 asks one that does not answer, h3 a forwarder of its own.
    const resolvConf = join(host.dir, 'resolv.conf');
    writeFileSync(resolvConf, `search example\nnameserver ${servers[name]}\n`);
    host.settings['WARREN_RESOLV_CONF'] = resolvConf;
    await host.join(await lab.token());
    await host.startAgent();
  }
  await Promise.all(lab.hosts.map((host) => host.waitUntil('ready')));
  await Promise.all(lab.hosts.map((host) => host.addContainer()));
});
after(() => lab.close());

/** `dig` in the container of a host, at the bridge's own address unless another server is named. */
async function dig(host: LabHost, args: readonly string[], server?: string): Promise<string> {
  const container = host.containers[0];
  assert.ok(container);
  const gateway = (container.addresses[0] ?? '').replace(/\d+$/, '1');
  const base = ['dig', `@${server ?? gateway}`, '+tries=1', '+time=2'];
  return (await container.run([...base, ...args], { okCodes: 'any' })).stdout;
}

const short = async (host: LabHost, ...args: string[]): Promise<string[]> =>
  (await dig(host, ['+short', ...args]))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';'))
    .sort();

function host(i: number): LabHost {
  const found = lab.hosts[i];
  assert.ok(found);
  return found;
}

const addressOf = (i: number): string => host(i).containers[0]?.addresses[0] ?? '';

test('a name that is added on one host is answered on all, with every instance, and gone everywhere when it is removed', async () => {
  for (const i of [0, 1]) await host(i).warren(['dns', 'add', 'web', addressOf(i)]);
  for (const each of lab.hosts) {
    await until(
      `${each.name} knows both`,
      { seconds: 10 },
      async () => (await short(each, 'web.warren.internal')).length === 2,
    );
  }
  assert.deepEqual(await short(host(2), 'web'), [addressOf(0), addressOf(1)].sort());
  assert.deepEqual(await short(host(2), '-x', addressOf(0)), ['web.h1.warren.internal.']);
  await host(1).warren(['dns', 'rm', 'web']);
  for (const each of lab.hosts) {
    await until(
      `${each.name} forgets it`,
      { seconds: 5 },
      async () => (await short(each, 'web.warren.internal')).join() === addressOf(0),
    );
  }
});

test('hosts have names, unknown names do not exist, and what is known by another type is empty', async () => {
  const [overlay] = (await host(1).status())['addresses'] as string[];
  assert.deepEqual(await short(host(0), 'h2.warren.internal'), [overlay]);
  assert.match(await dig(host(0), ['nothing.warren.internal']), /status: NXDOMAIN/);
  const empty = await dig(host(0), ['h2.warren.internal', 'TXT']);
  assert.match(empty, /status: NOERROR/);
  assert.match(empty, /ANSWER: 0, AUTHORITY: 1/);
  assert.match(await dig(host(0), ['+tcp', 'H2.Warren.Internal']), /H2\.Warren\.Internal\.\s+1\s+IN\s+A/);
});

test('a name for an address of somebody else is refused, and so is the name of a host', async () => {
  const foreign = await host(0).warren(['dns', 'add', 'db', addressOf(1)], { okCodes: 'any' });
  assert.equal(foreign.exitCode, 1);
  assert.match(foreign.stderr, /not this host's/);
  const taken = await host(0).warren(['dns', 'add', 'h2', addressOf(0)], { okCodes: 'any' });
  assert.match(taken.stderr, /a host's name/);
});

test('the rest is asked of the servers of the host, and containers that ask those are led here', async () => {
  const upstream = startProcess(
    [
      'nsenter',
      `--net=/run/netns/${lab.server.namespace}`,
      process.execPath,
      join(import.meta.dirname, '../support/small-resolver.mjs'),
      '10.0.0.2',
    ],
    { logFile: join(lab.dir, 'resolver.log') },
  );
  try {
    await until(
      'the server of the underlay answers',
      { seconds: 10 },
      async () => (await short(host(0), 'example.org')).join() === '192.0.2.80',
    );
    // The container asks the underlay's server itself, as Docker's resolver would.
    const led = await dig(host(0), ['+short', 'h2.warren.internal'], '10.0.0.2');
    assert.match(led, /^10\.86\./);
    assert.match(await dig(host(0), ['+short', 'example.org'], '10.0.0.2'), /192\.0\.2\.80/);
    // The upstream fails for this one.
    assert.match(await dig(host(0), ['fail.example.org']), /status: SERVFAIL/);
    // It speaks for an address of the mesh.
    assert.match(await dig(host(0), ['rebind.example.org']), /status: SERVFAIL/);
  } finally {
    await upstream.stop();
  }
  assert.match(await dig(host(1), ['+time=5', 'example.org']), /status: SERVFAIL/);
});

test('a forwarder that hands questions back is found out at once', async () => {
  const container = host(2).containers[0];
  assert.ok(container);
  const gateway = addressOf(2).replace(/\d+$/, '1');
  const logFile = join(lab.dir, 'forwarder.log');
  const program = join(import.meta.dirname, '../support/small-resolver.mjs');
  const forwarder = startProcess(
    ['nsenter', `--net=/run/netns/${host(2).namespace}`, process.execPath, program, '127.0.0.53', gateway],
    { logFile },
  );
  try {
    await until('the forwarder listens', { seconds: 10 }, () => forwarder.output().includes('listens'));
    assert.match(await dig(host(2), ['example.org']), /status: SERVFAIL/);
    assert.equal(forwarder.output().match(/handed on/g)?.length, 1);
  } finally {
    await forwarder.stop();
  }
});

test('names go on without the server and over a restart of the agent; nobody outside may ask', async () => {
  await lab.server.stop('SIGKILL');
  await host(2).stopAgent('SIGKILL');
  await host(2).startAgent();
  await until(
    'names are back',
    { seconds: 15 },
    async () => (await short(host(2), 'web.warren.internal')).join() === addressOf(0),
  );
  const { stdout } = await host(2).warren(['dns', 'query', 'web.warren.internal']);
  assert.equal(stdout.trim(), addressOf(0));
  const [lease] = (await host(0).status())['leases'] as string[];
  const gateway = (lease ?? '').replace(/0\/24$/, '1');
  const far = await dig(host(1), ['+short', 'h1.warren.internal'], gateway);
  assert.doesNotMatch(far, /^10\./m);
});

test('nonsense is answered or dropped, and the next question is answered', async () => {
  const name = `${host(0).namespace}z`;
  await makeNamespace(name);
  await host(0).warren(['attach', `netns:${name}`]);
  const gateway = addressOf(0).replace(/\d+$/, '1');
  const flood = `
    const { createSocket } = require('node:dgram'); const { randomBytes } = require('node:crypto');
    const s = createSocket('udp4'); let left = 2000;
    const next = () => left-- > 0 ? s.send(randomBytes(1 + left % 300), 53, '${gateway}', () => setImmediate(next)) : s.close();
    next();`;
  await host(0).containers[0]?.run([process.execPath, '-e', flood]);
  await until('it answers', { seconds: 5 }, async () =>
    ((await short(host(0), 'h2.warren.internal'))[0] ?? '').startsWith('10.86.'),
  );
});

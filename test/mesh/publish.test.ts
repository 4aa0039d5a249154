import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { LabContainer } from '../support/lab-container.ts';
import { type Lab, openMesh } from '../support/lab.ts';
import { runInside } from '../support/namespace.ts';
import { type Running, startProcess } from '../support/process.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
const servers: Running[] = [];

/** TCP and UDP on port 80: answers with its own name and the address it was asked from. */
const answering = `
  const [name] = process.argv.slice(1);
  const say = (address) => name + ' ' + address.replace('::ffff:', '');
  require('node:http').createServer((q, r) => r.end(say(q.socket.remoteAddress))).listen(80, '::');
  const udp = require('node:dgram').createSocket('udp6');
  udp.on('message', (m, from) => udp.send(say(from.address), from.port, from.address));
  udp.bind(80, '::');`;

before(async () => {
  lab = await openMesh(2);
  for (const container of containers()) {
    const argv = [
      'nsenter',
      `--net=/run/netns/${container.namespace}`,
      process.execPath,
      '-e',
      answering,
      container.name,
    ];
    servers.push(startProcess(argv, { logFile: join(lab.dir, `${container.name}.log`) }));
    await container.host.warren(['dns', 'add', 'web', ...container.addresses]);
  }
  await lab.server.admin('publish', 'web:80', '--on', 'all', '--port', '8080');
  await lab.server.admin('publish', 'web:80', '--on', 'h1', '--port', '8081', '--udp');
});
after(() => lab.close());

const containers = (): LabContainer[] => lab.hosts.flatMap((host) => host.containers);

function container(i: number): LabContainer {
  return containers()[i] ?? assert.fail(`no container ${i}`);
}

/** One process asks `count` times, one after the other, and tells whom it met, and as whom; run outside of the mesh. */
const asking = String.raw`
  const [kind, address, port, count] = process.argv.slice(1);
  const tcp = () => new Promise((resolve) => {
    let text = '';
    const socket = require('node:net').connect(Number(port), address, () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.setTimeout(5000, () => socket.destroy(Object.assign(new Error(), { code: 'TIMEOUT' })));
    socket.on('data', (chunk) => (text += chunk));
    socket.on('end', () => resolve(text.split('\r\n').at(-1)));
    socket.on('error', (error) => resolve('failed ' + error.code));
  });
  const udp = () => new Promise((resolve) => {
    const socket = require('node:dgram').createSocket('udp4');
    const end = (text) => { clearTimeout(timer); socket.close(); resolve(text); };
    const timer = setTimeout(() => end('failed TIMEOUT'), 2000);
    socket.on('message', (message) => end(String(message)));
    socket.on('error', (error) => end('failed ' + error.code));
    socket.connect(Number(port), address, () => socket.send('?'));
  });
  (async () => { for (let i = 0; i < Number(count); i += 1) console.log(await (kind === 'tcp' ? tcp() : udp())); })();`;

async function meet(
  address: string,
  port: number,
  count: number,
  kind: 'tcp' | 'udp' = 'tcp',
  from = lab.server.namespace,
): Promise<Map<string, Set<string>>> {
  const argv = [process.execPath, '-e', asking, kind, address, String(port), String(count)];
  const { stdout } = await runInside(from, argv);
  const met = new Map<string, Set<string>>();
  for (const text of stdout.trim().split('\n')) {
    const [name = '', seen = ''] = text.split(' ');
    met.set(name, (met.get(name) ?? new Set()).add(seen));
  }
  return met;
}

test('a published port of every host leads to all instances; the local one sees the client itself', async () => {
  const overlays = await Promise.all(
    lab.hosts.map(async (host) => ((await host.status())['addresses'] as string[])[0]),
  );
  for (const [i, host] of lab.hosts.entries()) {
    await until(`both are met at ${host.name}`, { seconds: 20 }, async () => {
      const met = await meet(host.address, 8080, 24);
      return met.size === 2 && !met.has('failed');
    });
    const met = await meet(host.address, 8080, 24);
    assert.deepEqual([...(met.get(container(i).name) ?? [])], ['10.0.0.2']);
    assert.deepEqual([...(met.get(container(1 - i).name) ?? [])], [overlays[i]]);
  }
});

test('an instance that calls the published port of its own host is answered, by another one', async () => {
  const met = await meet(lab.hosts[0]?.address ?? '', 8080, 12, 'tcp', container(0).namespace);
  assert.deepEqual([...met.keys()], [container(1).name]);
});

test('UDP is published as well, and only on the host that was named', async () => {
  const met = await meet(lab.hosts[0]?.address ?? '', 8081, 24, 'udp');
  assert.deepEqual(
    [...met.keys()].sort(),
    containers()
      .map(({ name }) => name)
      .sort(),
  );
  assert.deepEqual([...(await meet(lab.hosts[1]?.address ?? '', 8081, 1, 'udp')).keys()], ['failed']);
});

test('it goes on where FORWARD drops, over a restart of the agent, and without the server', async () => {
  const [first] = lab.hosts;
  assert.ok(first);
  await first.run(['iptables', '-P', 'FORWARD', 'DROP']);
  await first.stopAgent('SIGKILL');
  await lab.server.stop('SIGKILL');
  assert.ok((await meet(first.address, 8080, 1)).size === 1);
  await first.startAgent();
  await until('both are met again', { seconds: 20 }, async () => {
    const met = await meet(first.address, 8080, 24);
    return met.size === 2 && !met.has('failed');
  });
  await lab.server.start();
  for (const host of lab.hosts) {
    await until(`${host.name} hears the server again`, { seconds: 60 }, async () => {
      const { state } = (await host.status())['server'] as { state: string };
      return state === 'connected';
    });
  }
});

test('an instance that is taken back gets no new connection, and without any the port refuses at once', async () => {
  const [first, second] = lab.hosts;
  assert.ok(first && second);
  await second.warren(['dns', 'rm', 'web']);
  await until(
    'only the other is met',
    { seconds: 10 },
    async () => [...(await meet(first.address, 8080, 8)).keys()].join() === container(0).name,
  );
  await first.warren(['dns', 'rm', 'web']);
  await until('it refuses', { seconds: 10 }, async () => {
    const met = await meet(first.address, 8080, 1);
    return met.get('failed')?.has('ECONNREFUSED');
  });
});

test('it refuses as well where INPUT drops, and a published port 53 leaves the names on the gateway alone', async () => {
  const [first] = lab.hosts;
  assert.ok(first);
  await first.run(['iptables', '-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'ACCEPT']);
  await first.run(['iptables', '-P', 'INPUT', 'DROP']);
  assert.deepEqual([...((await meet(first.address, 8080, 1)).get('failed') ?? [])], ['ECONNREFUSED']);
  assert.deepEqual([...((await meet(first.address, 8081, 1, 'udp')).get('failed') ?? [])], ['ECONNREFUSED']);
  const name = `${first.name}.warren.internal`;
  const { stdout: route } = await container(0).run(['ip', '-j', 'route', 'show', 'default']);
  const gateway = (JSON.parse(route) as { gateway: string }[])[0]?.gateway ?? '';
  for (const flag of ['--udp', '--tcp'])
    await lab.server.admin('publish', 'web:53', '--on', 'all', '--port', '53', flag);
  await until('port 53 refuses from outside', { seconds: 10 }, async () => {
    const met = await meet(first.address, 53, 1);
    return met.get('failed')?.has('ECONNREFUSED');
  });
  for (const flag of ['+notcp', '+tcp']) {
    const { stdout } = await container(0).run(['dig', flag, '+short', '+time=2', `@${gateway}`, name, 'A']);
    assert.match(stdout, /^10\.86\./);
  }
});

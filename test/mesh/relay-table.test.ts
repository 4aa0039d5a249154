import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import type { Forward } from '../../agent/relay/book.ts';
import { type RelayKernel, createRelayKernel } from '../../agent/relay/kernel.ts';
import type { TableWish } from '../../agent/relay/table.ts';
import { parseAddress } from '../../shared/net/address.ts';
import { type Endpoint, parseEndpoint, splitEndpoint } from '../../shared/net/endpoint.ts';
import { ipBatch } from '../support/command.ts';
import { beginRun, namespacePrefix } from '../support/lab-cleanup.ts';
import { deleteNamespacesNow, inside, listNamespaces, makeNamespace, runInside } from '../support/namespace.ts';
import { type CountingSystem, systemInside } from '../support/namespace-system.ts';
import { startProcess } from '../support/process.ts';
import { until } from '../support/wait.ts';

/**
 * A relay's tables alone, without agents: two hosts and a stranger, each on a link of its own to the relay, which does
 * not forward and drops what would be. What they send is written here byte for byte.
 */
const run = beginRun();
const prefix = namespacePrefix(run.id);
const relay = `${prefix}r`;
const hosts = ['a', 'b', 'x'] as const;
type Host = (typeof hosts)[number];
const ids = { a: 'a'.repeat(16), b: 'b'.repeat(16) } as const;
const wish: TableWish = {
  range: { first: 51_900, last: 51_999 },
  tunnel: 'warren0',
  listenPort: 51_820,
  probePort: 40_000,
};
let system: CountingSystem;
let kernel: RelayKernel;

const addressOf = (host: Host, family: 4 | 6, end: 1 | 2): string => {
  const net = hosts.indexOf(host) + 1;
  return family === 4 ? `10.9.${net}.${end}` : `2001:db8:${net}::${end}`;
};
const endpointOf = (host: Host, family: 4 | 6, port = 51_820): Endpoint => {
  const address = addressOf(host, family, 2);
  return parseEndpoint(family === 4 ? `${address}:${port}` : `[${address}]:${port}`);
};
const newKernel = (): RelayKernel =>
  createRelayKernel({
    system,
    log: pino({ level: 'silent' }),
    tableName: 'warren',
    ownAddressTo: (target) => Promise.resolve(parseAddress(splitEndpoint(target).address.replace(/2$/, '1'))),
  });
const pair = (family: 4 | 6, portOfA = 51_820): Forward[] => {
  const [a, b] = [endpointOf('a', family, portOfA), endpointOf('b', family)];
  return [
    { family, source: a, port: 51_900, target: b, twin: 51_901, hosts: [ids.a, ids.b] },
    { family, source: b, port: 51_901, target: a, twin: 51_900, hosts: [ids.b, ids.a] },
  ];
};

before(async () => {
  await makeNamespace(relay);
  for (const host of hosts) {
    const name = `${prefix}${host}`;
    await makeNamespace(name);
    await runInside(name, ['sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0']);
    await ipBatch([`link add eth0 netns ${name} type veth peer name to-${host} netns ${relay}`]);
    const both = [4, 6] as const;
    const length = { 4: 24, 6: 64 } as const;
    const add = (end: 1 | 2, device: string): string[] =>
      both.map((family) => `addr add ${addressOf(host, family, end)}/${length[family]} dev ${device}`);
    await ipBatch([...add(1, `to-${host}`), `link set to-${host} up`], relay);
    const routes = both.map((family) => `route add default via ${addressOf(host, family, 1)} dev eth0`);
    await ipBatch([...add(2, 'eth0'), 'link set eth0 up', ...routes], name);
  }
  await runInside(relay, ['nft', '-f', '-'], {
    input: 'table inet guard { chain forward { type filter hook forward priority -500; policy drop; }\n}\n',
  });
  system = systemInside(relay);
  kernel = newKernel();
});
after(() => {
  deleteNamespacesNow(listNamespaces(prefix));
  run.end();
});

/**
 * Says each text from a port and prints who answered, until as many did as were expected and a moment longer. The other
 * program says back whatever it hears.
 */
const asker = `
const [address, port, from, expected, ...texts] = process.argv.slice(1);
const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4');
let count = 0;
const lingerMs = () => count >= Number(expected) && setTimeout(() => process.exit(0), 300);
socket.on('message', (bytes, { address, port }) => {
  console.log(bytes.toString('hex'), address, port);
  count += 1;
  lingerMs();
});
socket.on('error', () => undefined);
socket.bind(Number(from), () => {
  for (const text of texts) socket.send(Buffer.from(text, 'hex'), Number(port), address);
  lingerMs();
  setTimeout(() => process.exit(0), 10_000);
});`;
const echo = `
const socket = require('node:dgram').createSocket('udp6');
socket.on('message', (bytes, { address, port }) => socket.send(bytes, port, address));
socket.bind(51820, () => console.log('listening'));`;

interface Ask {
  readonly from?: number;
  readonly expected?: number;
}

async function ask(
  host: Host,
  family: 4 | 6,
  port: number,
  texts: readonly string[],
  options: Ask = {},
): Promise<string[]> {
  const { from = 51_820, expected = 0 } = options;
  const numbers = [port, from, expected].map(String);
  const argv = ['node', '-e', asker, addressOf(host, family, 1), ...numbers, ...texts];
  const { stdout } = await runInside(`${prefix}${host}`, argv);
  return stdout.trim().split('\n').filter(Boolean);
}

const data = `04000000${'11'.repeat(60)}`;
const initiation = `01000000${'22'.repeat(144)}`;
const ping = `5752503101000000${'33'.repeat(60)}`;
const control = `5752503113000000${'44'.repeat(60)}`;
const garbage = '55'.repeat(60);

test('what a proven source sends reaches its partner from the other port, in both families, and nothing else does', async () => {
  await kernel.place(wish, [...pair(4), ...pair(6)]);
  const listener = startProcess(inside(`${prefix}b`, ['node', '-e', echo]), { logFile: `${run.dir}/echo.log` });
  await until('b listens', { seconds: 10 }, () => listener.output().includes('listening'));
  for (const family of [4, 6] as const) {
    const answers = await ask('a', family, 51_900, [data, initiation, ping, control, garbage], { expected: 3 });
    const from = `${addressOf('a', family, 1)} 51900`;
    assert.deepEqual(answers.sort(), [`${data} ${from}`, `${initiation} ${from}`, `${ping} ${from}`].sort());
    // Another port of a, another host, b's port, a port of nobody.
    assert.deepEqual(await ask('a', family, 51_900, [data, ping], { from: 51_821 }), []);
    assert.deepEqual(await ask('x', family, 51_900, [data, ping, control, garbage]), []);
    assert.deepEqual(await ask('a', family, 51_901, [data]), []);
    assert.deepEqual(await ask('a', family, 51_902, [data]), []);
  }
  await listener.stop();
});

test('what the kernel holds is read back whole, with what was used', async () => {
  const seen = await newKernel().look();
  assert.deepEqual(new Set(seen.forwards.map(text)), new Set([...pair(4), ...pair(6)].map(text)));
  assert.ok((seen.packets.get(51_900) ?? 0) >= 6);
});

const text = ({ family, source, port, target, twin, hosts: [one, two] }: Forward): string =>
  [family, source, port, target, twin, one, two].join(' ');

test('a source that moved is changed alone, by one command, and the same again costs none', async () => {
  await kernel.look();
  const forwards = [...pair(4, 51_821), ...pair(6)];
  system.commands.length = 0;
  await kernel.place(wish, forwards);
  assert.deepEqual(
    system.commands.map((line) => line.replace(/^.*nft/, 'nft')),
    ['nft -f -'],
  );
  system.commands.length = 0;
  await kernel.place(wish, forwards);
  assert.deepEqual(system.commands, []);
  const { forwards: held } = await kernel.look();
  assert.deepEqual(new Set(held.map(text)), new Set(forwards.map(text)));
});

test('a flushed rule set, a stolen element, an added rule: each is mended by the next look and place', async () => {
  const forwards = [...pair(4), ...pair(6)];
  await kernel.place(wish, forwards);
  const damages = [
    'flush ruleset',
    'delete table ip6 warren-relay',
    'flush map ip warren-relay address',
    'insert rule ip warren-relay come accept',
  ];
  for (const damage of damages) {
    await runInside(relay, ['nft', '-f', '-'], { input: `${damage}\n` });
    await kernel.look();
    await kernel.place(wish, forwards);
    const { forwards: held } = await newKernel().look();
    assert.deepEqual(new Set(held.map(text)), new Set(forwards.map(text)), damage);
    const { stdout } = await runInside(relay, ['nft', 'list', 'chain', 'ip', 'warren-relay', 'come']);
    assert.doesNotMatch(stdout, /^\s*accept/m, damage);
  }
});

test('damage that nobody looked at is found out when the next change fails, and mended at once', async () => {
  await kernel.place(wish, pair(4));
  await runInside(relay, ['nft', 'flush', 'ruleset']);
  await kernel.place(wish, pair(4, 51_822));
  const { forwards: held } = await newKernel().look();
  assert.deepEqual(new Set(held.map(text)), new Set(pair(4, 51_822).map(text)));
});

test('another probe port keeps what is forwarded, and clearing leaves nothing', async () => {
  await kernel.place(wish, pair(4));
  await kernel.place({ ...wish, probePort: 40_001 }, pair(4));
  const { forwards: held } = await kernel.look();
  assert.equal(held.length, 2);
  await kernel.clear();
  await kernel.clear();
  const { stdout } = await runInside(relay, ['nft', 'list', 'tables']);
  assert.doesNotMatch(stdout, /warren/);
});

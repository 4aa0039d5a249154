import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh, waitForPaths } from '../support/lab.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
let first: LabHost;
let second: LabHost;

before(async () => {
  lab = await openMesh(3);
  const [a, b] = lab.hosts;
  if (a === undefined || b === undefined) throw new Error('no hosts');
  [first, second] = [a, b];
});
after(() => lab?.close());

interface Failure {
  kind: string;
  subject: string;
  why: string;
}

async function refusalOf(host: LabHost, prefix: string): Promise<Failure> {
  return until(`${host.name} refuses ${prefix}`, { seconds: 15 }, async () => {
    const { failures } = (await host.status()) as { failures?: Failure[] };
    return failures?.find((failure) => JSON.stringify(failure).includes(prefix));
  });
}

async function allPathsWork(): Promise<void> {
  await waitForPaths(
    lab.hosts.flatMap((host) => host.containers),
    10,
  );
}

async function addLan(host: LabHost, name: string, address: string): Promise<void> {
  await host.run(['ip', 'link', 'add', name, 'type', 'bridge']);
  await host.run(['ip', 'addr', 'add', address, 'dev', name]);
  await host.run(['ip', 'link', 'set', name, 'up']);
}

const routesTo = async (host: LabHost, prefix: string): Promise<string> =>
  (await host.run(['ip', 'route', 'show', prefix, 'proto', '86'])).stdout;

test('a prefix over a host’s own LAN is refused there with a reason, and used elsewhere', async () => {
  await addLan(first, 'lan0', '192.168.50.1/24');
  await lab.server.admin('subnet', 'add', second.name, '192.168.50.0/24');
  const third = lab.hosts[2];
  assert.ok(third !== undefined);
  await until('the third host uses it', { seconds: 10 }, async () => (await routesTo(third, '192.168.50.0/24')) !== '');
  const refusal = await refusalOf(first, '192.168.50.0/24');
  assert.ok(refusal.why.length > 10, refusal.why);
  assert.equal(await routesTo(first, '192.168.50.0/24'), '');
  const { stdout } = await first.warren(['status']);
  assert.match(stdout, /192\.168\.50\.0\/24/);
  await allPathsWork();
});

test('a prefix that covers a peer’s endpoint is refused, and no tunnel is cut', async () => {
  await lab.server.admin('subnet', 'add', second.name, '10.0.0.8/29');
  await refusalOf(first, '10.0.0.8/29');
  assert.equal(await routesTo(first, '10.0.0.8/29'), '');
  await allPathsWork();
  await lab.server.admin('subnet', 'rm', '10.0.0.8/29', '--host', second.name, '--yes');
});

test('a peer’s lease that lies on a LAN of this host is refused there; the other peers work', async () => {
  const { stdout } = await second.run(['ip', '-4', '-o', 'addr', 'show', 'dev', 'warren-br']);
  const gateway = /inet (\S+)\/24/.exec(stdout)?.[1] ?? '';
  const lease = gateway.replace(/\.\d+$/, '.0/24');
  await addLan(first, 'lan1', gateway.replace(/\.\d+$/, '.200/24'));
  await refusalOf(first, lease);
  const others = lab.hosts.filter((host) => host !== second).flatMap((host) => host.containers);
  await waitForPaths(others, 10);
  await first.run(['ip', 'link', 'del', 'lan1']);
  await until('it is used again', { seconds: 35 }, async () => (await routesTo(first, lease)) !== '');
  await allPathsWork();
});

test('the server refuses what can never be routed', async () => {
  for (const prefix of ['0.0.0.0/0', '127.0.0.0/8', '224.0.0.0/4', '10.86.3.0/24']) {
    await assert.rejects(
      lab.server.admin('subnet', 'add', second.name, prefix),
      new RegExp(prefix.replaceAll('.', '\\.')),
    );
  }
});

for (const [program, package_] of [
  ['nft', 'nftables'],
  ['wg', 'wireguard-tools'],
  ['ip', 'iproute2'],
] as const) {
  test(`without ${program} the agent says to install ${package_}`, async () => {
    const bin = join(lab.dir, `without-${program}`);
    mkdirSync(bin);
    for (const folder of ['/usr/bin', '/usr/sbin']) {
      for (const name of readdirSync(folder)) {
        if (name !== program) symlinkAnyway(join(folder, name), join(bin, name));
      }
    }
    const { exitCode, stderr } = await first.warren(['agent'], { okCodes: 'any', env: { PATH: bin } });
    assert.notEqual(exitCode, 0);
    assert.match(stderr, new RegExp(package_));
  });
}

/** Both folders may hold the same name. */
function symlinkAnyway(target: string, path: string): void {
  try {
    symlinkSync(target, path);
  } catch {
    // The first one wins, as in PATH.
  }
}

test('without privileges the agent says so', async () => {
  const argv = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...first.program, 'agent'];
  const env = { WARREN_STATE_DIR: join(lab.dir, 'nobody'), WARREN_RUN_DIR: join(lab.dir, 'nobody-run') };
  const { exitCode, stderr } = await first.run(argv, { okCodes: 'any', env });
  assert.notEqual(exitCode, 0);
  assert.match(stderr, /root|privilege|permission|CAP_NET_ADMIN|not enrolled/i);
});

test('join refuses what is no token, no name, no prefix and no endpoint, and says which', async () => {
  const host = await lab.addHost();
  const token = await lab.token();
  const cases: [string[], Record<string, string>, RegExp][] = [
    [['join', 'wrt1.nonsense'], {}, /token/],
    [['join', '--name', 'Not_A_Name'], { WARREN_TOKEN: token }, /Not_A_Name/],
    [['join', '--advertise', '10.1.2.3/8'], { WARREN_TOKEN: token }, /10\.0\.0\.0\/8/],
    [['join', '--endpoint', 'example.org:51820'], { WARREN_TOKEN: token }, /example\.org/],
    [['join', '--name', 'h1'], { WARREN_TOKEN: token }, /h1/],
  ];
  for (const [args, env, message] of cases) {
    const { exitCode, stderr } = await host.warren(args, { okCodes: 'any', env });
    assert.notEqual(exitCode, 0, args.join(' '));
    assert.match(stderr, message);
  }
});

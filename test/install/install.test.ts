import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../support/command.ts';
import { namespacePrefix } from '../support/lab-cleanup.ts';
import { root } from '../support/lab-config.ts';
import type { LabContainer } from '../support/lab-container.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { startProcess } from '../support/process.ts';
import { type Snapshot, takeSnapshot } from '../support/snapshot.ts';
import { readLoss } from '../support/traffic.ts';
import { until } from '../support/wait.ts';
import { type Machine, bootMachine } from './machine.ts';

/**
 * The install script as a person meets it: the line that the server prints, pasted on a machine with systemd, whose
 * neighbour in the mesh is a host of the lab.
 */
let lab: Lab;
let box: Machine;
let boxNamespace: string;
let neighbour: LabContainer;
let filesBefore: string[];
let kernelBefore: Snapshot;
let token: string;
let installCommand: string;

before(async () => {
  await run([process.execPath, '--import', import.meta.resolve('tsx'), join(root, 'agent/install/build.ts')], {
    timeoutSeconds: 180,
  });
  lab = await openLab();
  neighbour = await (await lab.addMember()).addContainer();
  boxNamespace = `${namespacePrefix(lab.id)}box`;
  await lab.underlay.connect(boxNamespace, '10.0.0.200');
  box = await bootMachine(boxNamespace, join(lab.dir, 'box'));
  filesBefore = await box.listFiles();
  kernelBefore = await takeSnapshot(boxNamespace);
  const made = (await lab.server.admin('token', 'create', '--name', 'box')) as Record<string, string>;
  token = made['token'] ?? '';
  installCommand = made['installCommand'] ?? '';
});

after(async () => {
  try {
    await box?.powerOff();
  } finally {
    lab?.close();
  }
});

const isReady = async (): Promise<boolean> => {
  const { exitCode } = await box.run(['warren', 'status', '--check', 'ready'], { okCodes: 'any' });
  return exitCode === 0;
};

const agentPid = async (): Promise<string> =>
  (await box.run(['systemctl', 'show', '--property', 'MainPID', '--value', 'warren-agent'])).stdout;

/** Traffic from the machine's container to the neighbour's while `during` goes on. */
async function lossWhile(during: () => Promise<void>): Promise<readonly number[]> {
  const target = neighbour.addresses[0] ?? '';
  const argv = box.inside(['nsenter', '--net=/run/netns/web', 'ping', '-n', '-i', '0.01', target]);
  const ping = startProcess(argv, { logFile: join(lab.dir, `ping-${Math.random()}.log`) });
  await until('packets flow', { seconds: 15 }, () => / icmp_seq=/.test(ping.output()));
  await during();
  const seen = ping.output().length;
  await until('packets flow afterwards', { seconds: 5 }, () => ping.output().length > seen + 5000);
  await ping.stop('SIGINT');
  return readLoss('box -> neighbour', ping.output()).lost;
}

test('a dry run says what would be done and changes nothing', async () => {
  const { stdout } = await box.shell(`${installCommand} -s -- --dry-run`);
  assert.match(stdout, /would download .*\/dist\/warren-linux-/);
  assert.match(stdout, /would run: warren join/);
  assert.deepEqual(await box.listFiles(), filesBefore);
});

test('the line that the server prints makes a bare machine a host, with its service running', async () => {
  const { stdout } = await box.shell(`${installCommand} -s -- --name box`);
  assert.match(stdout, /warren .* runs/);
  await until('the agent is ready', { seconds: 20 }, isReady);
  assert.equal((await box.run(['systemctl', 'is-enabled', 'warren-agent'])).stdout, 'enabled');
  const { items } = (await lab.server.admin('host', 'ls')) as { items: { name: string; isOnline: boolean }[] };
  assert.ok(items.some((host) => host.name === 'box' && host.isOnline));
});

test('a container of the machine reaches the neighbour', async () => {
  await box.run(['ip', 'netns', 'add', 'web']);
  await box.run(['warren', 'attach', 'netns:web']);
  assert.deepEqual(await lossWhile(async () => {}), []);
});

test('the token is nowhere on the machine afterwards', async () => {
  const secret = token.slice(5);
  const places = '/etc /var/lib/warren /run/warren /var/log /run/log /tmp /usr/local/lib /usr/local/bin';
  const { stdout } = await box.shell(`journalctl --sync; grep -rl -- '${secret}' ${places} 2>/dev/null || true`);
  assert.equal(stdout, '');
});

test('the service is locked down and still does all of its work', async () => {
  const { stdout } = await box.shell('systemd-analyze security --no-pager warren-agent.service | tail -n 1');
  const exposure = Number(/: ([\d.]+)/.exec(stdout)?.[1]);
  assert.ok(exposure <= 3.5, stdout);
  const status = JSON.parse((await box.run(['warren', 'status', '--json'])).stdout) as { failures: unknown[] };
  assert.deepEqual(status.failures, []);
});

test('the same line again changes nothing and does not restart the agent', async () => {
  const pid = await agentPid();
  const { stdout } = await box.shell(installCommand);
  assert.match(stdout, /nothing changed/);
  assert.equal(await agentPid(), pid);
});

test('over an older version it upgrades, without a token and without a lost packet', async () => {
  // A byte at the end makes another executable of it, which runs the same.
  await box.shell(
    'cp /usr/local/bin/warren /tmp/older && printf x >>/tmp/older && mv /tmp/older /usr/local/bin/warren',
  );
  await box.run(['systemctl', 'restart', 'warren-agent']);
  await until('the older agent is ready', { seconds: 20 }, isReady);
  const pid = await agentPid();
  const tunnels = await tunnelProcesses();
  const lost = await lossWhile(async () => {
    await box.shell(installCommand.replace(/WARREN_TOKEN=\S+ /, ''));
    await until('the upgraded agent is ready', { seconds: 20 }, isReady);
  });
  assert.deepEqual(lost, []);
  assert.notEqual(await agentPid(), pid);
  assert.equal(await tunnelProcesses(), tunnels);
  const { stdout } = await box.run(['sha256sum', '/usr/local/bin/warren']);
  assert.equal(stdout.split(' ')[0], published());
});

test('an agent that is killed comes back by itself, without a lost packet', async () => {
  const pid = await agentPid();
  const lost = await lossWhile(async () => {
    await box.run(['systemctl', 'kill', '--kill-whom=main', '--signal=KILL', 'warren-agent']);
    await until('another agent runs', { seconds: 20 }, async () => {
      const now = await agentPid();
      return now !== pid && now !== '0';
    });
    await until('it is ready', { seconds: 20 }, isReady);
  });
  assert.deepEqual(lost, []);
});

test('an executable that is not the published one is never installed', async () => {
  const script = (await box.shell(scriptLine())).stdout;
  const forged = script.replace(published(), '0'.repeat(64));
  assert.notEqual(forged, script);
  const { exitCode, stderr } = await box.run(['sh', '-s'], { input: forged, okCodes: 'any' });
  assert.equal(exitCode, 1);
  assert.match(stderr, /checksum/);
  assert.equal((await box.run(['sha256sum', '/usr/local/bin/warren'])).stdout.split(' ')[0], published());
});

test('a server with another key is not listened to', async () => {
  const other = installCommand.replace(/sha256\/\/[^']+/, `sha256//${Buffer.alloc(32).toString('base64')}`);
  const { stdout, stderr } = await box.shell(other, { okCodes: 'any' });
  assert.match(stderr, /public key does not match/);
  assert.equal(stdout, '');
});

test('uninstalling leaves nothing: no file, no interface, no rule, no process', async () => {
  await box.shell(`${scriptLine()} | sh -s -- --uninstall`);
  await box.shell('ip netns del web && umount /run/netns && rmdir /run/netns');
  const filesAfter = await box.listFiles();
  assert.deepEqual(
    { added: without(filesAfter, filesBefore), removed: without(filesBefore, filesAfter) },
    { added: [], removed: [] },
  );
  assert.deepEqual(await takeSnapshot(boxNamespace), kernelBefore);
  const { stdout } = await box.run(['pgrep', '-a', '-f', 'warren agent|wireguard-go'], { okCodes: [0, 1] });
  assert.equal(stdout, '');
  const { items } = (await lab.server.admin('host', 'ls')) as { items: { name: string }[] };
  assert.ok(!items.some((host) => host.name === 'box'));
});

function without(files: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others);
  return files.filter((file) => !known.has(file));
}

/** The install command without its last part: prints the script. */
const scriptLine = (): string => installCommand.slice(0, installCommand.indexOf(' | '));

/** SHA-256 of the executable that the server offers. */
function published(): string {
  const { builds } = JSON.parse(readFileSync(join(root, 'out/dist/manifest.json'), 'utf8')) as {
    builds: { executable: { file: string } }[];
  };
  const file = join(root, 'out/dist', builds[0]?.executable.file ?? '');
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

async function tunnelProcesses(): Promise<string> {
  return (await box.run(['pgrep', '-f', 'wireguard-go'], { okCodes: [0, 1] })).stdout;
}

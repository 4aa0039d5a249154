import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { emptyReport } from '../support/report-body.ts';
import { workload } from '../server/workloads/support.ts';
import { type TestHost, type TestServer, startTestServer } from '../server/http/test-server.ts';
import { type Outcome, runCli } from './cli-io.ts';

let server: TestServer;
let one: TestHost;
let two: TestHost;

before(async () => {
  server = await startTestServer();
  [one, two] = [await server.enroll(), await server.enroll()];
});
after(() => server.stop());

const warren = (...args: string[]): Promise<Outcome> =>
  runCli(args, {
    WARREN_SERVER: `https://127.0.0.1:${server.server.port}`,
    WARREN_KEY_FILE: join(server.stateDir, 'admin.key'),
    WARREN_CA: join(server.stateDir, 'ca.crt'),
  });

async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await warren(...args, '--json');
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const itemsOf = async (...args: string[]): Promise<Record<string, unknown>[]> =>
  (await json(...args))['items'] as Record<string, unknown>[];

async function refused(exit: number, why: RegExp, ...args: string[]): Promise<void> {
  const { exitCode, stderr } = await warren(...args);
  assert.match(stderr, why);
  assert.equal(exitCode, exit, stderr);
}

test('a service is published on a host or on all, listed, and taken back by port or id', async () => {
  const first = await json('publish', 'web:80', '--on', one.name, '--port', '8080');
  assert.deepEqual([first['port'], first['targetPort'], first['protocol']], [8080, 80, 'tcp']);
  await json('publish', 'web:80', '--on', two.id, '--port', '8080');
  const dns = await json('publish', 'dns:5353', '--udp');
  assert.deepEqual([dns['port'], dns['hostId'], dns['protocol']], [5353, null, 'udp']);
  const { stdout } = await warren('publish', 'ls');
  assert.match(stdout, new RegExp(`^8080/tcp +${one.name} +web:80 +p`, 'm'));
  assert.match(stdout, /^5353\/udp +all +dns:5353 +p/m);
  await refused(2, /8080\/tcp on .*say which/, 'unpublish', '8080');
  await refused(3, /8080\/udp is not published/, 'unpublish', '8080/udp');
  assert.equal((await json('unpublish', '8080', '--on', one.name))['id'], first['id']);
  assert.match((await warren('unpublish', '8080/tcp')).stdout, new RegExp(`8080/tcp on ${two.name}`));
  assert.match((await warren('unpublish', String(dns['id']))).stdout, /on all hosts/);
  assert.deepEqual(await itemsOf('publish', 'ls'), []);
});

test('what cannot be published says why and exits like the other commands', async () => {
  await refused(2, /write what is published like web:80/, 'publish', 'web');
  await refused(2, /--tcp and --udp exclude/, 'publish', 'web:80', '--tcp', '--udp');
  await refused(2, /--port must be a whole number/, 'publish', 'web:80', '--port', '70000');
  await refused(2, /is not a name/, 'publish', 'We;b:80');
  await refused(3, /no host is called 'nowhere'/, 'publish', 'web:80', '--on', 'nowhere');
  await refused(1, /tunnels of host .* end; choose another port/, 'publish', 'web:51820', '--udp');
  await refused(2, /like 8080 or 8080\/udp/, 'unpublish', 'http');
  await refused(3, /there is no publication/, 'unpublish', 'paaaaaaaaaaaaaaaa');
});

test('segments and workloads are listed as hosts told them', async () => {
  const workloads = [
    workload('web-1', [], { services: ['web'], segment: 'blue' }),
    workload('db', [], { isHealthy: false }),
  ];
  const told = { method: 'POST', body: { ...emptyReport, workloads }, identity: one.identity };
  assert.equal((await server.ask('/agent/v1/report', told)).status, 200);
  assert.equal((await json('segment', 'add', 'red', '--bridged'))['kind'], 'bridged');
  await refused(1, /segment red is declared already/, 'segment', 'add', 'red');
  const { stdout } = await warren('segment', 'ls');
  assert.match(stdout, /^blue +routed +- +no +1 +1$/m);
  assert.match(stdout, /^red +bridged +\d+ +yes +0 +0$/m);
  await refused(3, /no segment 'blue' is declared/, 'segment', 'rm', 'blue');
  assert.equal((await warren('segment', 'rm', 'red')).exitCode, 0);
  const listed = await warren('workload', 'ls');
  assert.match(listed.stdout, new RegExp(`^web-1 +${one.name} +web +- +80/tcp +blue +yes$`, 'm'));
  assert.match(listed.stdout, /^db .* no$/m);
  assert.equal(
    (await itemsOf('workload', 'ls', '--service', 'web', '--host', one.name, '--segment', 'blue')).length,
    1,
  );
  assert.deepEqual(await itemsOf('workload', 'ls', '--host', two.name), []);
  assert.equal((await json('host', 'show', one.name))['containers'], 2);
  assert.match((await warren('host', 'ls')).stdout, /CONTAINERS/);
});

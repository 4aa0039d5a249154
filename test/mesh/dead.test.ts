import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh } from '../support/lab.ts';
import { startTraffic } from '../support/traffic.ts';
import { until } from '../support/wait.ts';

let lab: Lab;
let asking: LabHost;
let dying: LabHost;
let other: LabHost;
let client: LabContainer;
let target: LabContainer;

before(async () => {
  lab = await openMesh(3);
  const [h1, h2, h3] = lab.hosts;
  if (h1 === undefined || h2 === undefined || h3 === undefined) throw new Error('no hosts');
  [asking, dying, other] = [h1, h2, h3];
  const [from, to] = [h1.containers[0], h2.containers[0]];
  if (from === undefined || to === undefined) throw new Error('no containers');
  [client, target] = [from, to];
});
after(() => lab?.close());

const ping = async (): Promise<string> =>
  (await client.run(['ping', '-n', '-c', '1', '-W', '1', target.addresses[0] ?? ''], { okCodes: 'any' })).stdout;
const isAnswered = async (): Promise<boolean> => / 1 received/.test(await ping());
const isRefused = async (): Promise<boolean> => /Host Unreachable/.test(await ping());

test('the way to a peer is proven by the peer, and status tells it', async () => {
  await until('both ways are proven', { seconds: 15 }, async () => {
    const { peers = [] } = (await asking.status()) as { peers?: { path: string; rttMs: number | null }[] };
    return peers.length === 2 && peers.every((peer) => peer.path === 'direct' && peer.rttMs !== null);
  });
});

test('an agent that is away makes no host dead: its tunnel goes on and is asked', async () => {
  await lab.server.stop();
  const traffic = await startTraffic(client, target);
  await dying.stopAgent('SIGKILL');
  const isFoundDead = (): boolean => /host is dead/.test(asking.agentOutput());
  // As long as it takes to find a host dead whose link is cut, and more.
  const end = Date.now() + 15_000;
  await until('the time is over', { seconds: 20, everyMilliseconds: 500 }, () => {
    assert.equal(isFoundDead(), false);
    return Date.now() > end;
  });
  assert.deepEqual((await traffic.stop()).lost, []);
  await dying.startAgent();
});

test('who sends to a host that died is told so, with the server down, and nobody else is disturbed', async () => {
  const [bystander] = other.containers;
  assert.ok(bystander !== undefined);
  const traffic = await startTraffic(client, bystander);
  await lab.underlay.setLink(dying.namespace, 'down');
  await until('the sender is told', { seconds: 30, everyMilliseconds: 100 }, isRefused);
  await lab.underlay.setLink(dying.namespace, 'up');
  await until('it is back by itself', { seconds: 30, everyMilliseconds: 100 }, isAnswered);
  assert.deepEqual((await traffic.stop()).lost, []);
});

test('what ran on a host that died is not named any more, with the server down, and is again when it is back', async () => {
  const name = `web.${dying.name}.warren.internal`;
  const isNamed = async (): Promise<boolean> => {
    const { stdout } = await asking.warren(['dns', 'query', name, '--json'], { okCodes: 'any' });
    return stdout.includes(target.addresses[0] ?? '-');
  };
  await lab.server.start();
  await dying.warren(['dns', 'add', 'web', target.addresses[0] ?? '']);
  await until('it is named', { seconds: 30 }, isNamed);
  await lab.server.stop();
  await lab.underlay.setLink(dying.namespace, 'down');
  await until('it is named no more', { seconds: 30 }, async () => !(await isNamed()));
  await lab.underlay.setLink(dying.namespace, 'up');
  await until('it is named again', { seconds: 30 }, isNamed);
});

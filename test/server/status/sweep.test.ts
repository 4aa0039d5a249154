import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { listAudit } from '../../../shared/api/audit.ts';
import { disableHost, listHosts, showHost } from '../../../shared/api/hosts.ts';
import type { ReportBody } from '../../../shared/api/report.ts';
import { createHostSubnet, listSubnets } from '../../../shared/api/subnets.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { workloadSchema } from '../../../shared/workload.ts';
import { findHost } from '../../../server/store/hosts.ts';
import { crowdMs, ephemeralMs, graceMs, offlineMs, runnerPatience, silentMs } from '../../../server/status/liveness.ts';
import { createSweep } from '../../../server/status/sweep.ts';
import { until } from '../../support/wait.ts';
import { type TestAgent, type TestServer, enrollAgent, startServer } from '../routes/support.ts';

/** Shorter than what the sweep takes for a stall of its own. */
const stepMs = 4_000;

async function pass(
  server: TestServer,
  sweep: ReturnType<typeof createSweep>,
  ms: number,
  each?: () => Promise<unknown>,
) {
  for (let past = 0; past < ms; past += stepMs) {
    server.later(stepMs);
    await each?.();
    await sweep.runOnce();
  }
}

/** Two hosts advertise one prefix; the first one is preferred and has been watched for longer than the grace period. */
async function startPair(t: TestContext) {
  const server = await startServer(t);
  const sweep = createSweep(server.deps);
  t.after(() => sweep.stop());
  const [a, b] = [await enrollAgent(server, 'a'), await enrollAgent(server, 'b')];
  for (const [agent, weight] of [
    [a, 1],
    [b, 2],
  ] as const) {
    const body = { prefix: parseCidr('192.168.7.0/24'), weight };
    await server.admin(createHostSubnet, { params: { id: agent.id }, body });
  }
  const feeds = {
    a: await server.open('/agent/v1/feed', { agent: a }),
    b: await server.open('/agent/v1/feed', { agent: b }),
  };
  await until('both are online', { seconds: 5 }, () => server.deps.feed.onlineCount() === 2);
  const reportBoth = () => Promise.all([a.report(), b.report()]);
  await pass(server, sweep, graceMs + stepMs, reportBoth);
  const carrier = async () => {
    const { items } = await server.admin(listSubnets, {});
    return items.filter(({ isActive }) => isActive).map(({ hostName }) => hostName);
  };
  return { server, sweep, a, b, feeds, carrier, reportBoth };
}

const isGone = async (server: TestServer, agent: TestAgent) =>
  (await server.admin(showHost, { params: { id: agent.id } })).isGone;

test('the subnets of a host that lost its stream move, and come back with stream and report', async (t) => {
  const { server, sweep, a, b, feeds, carrier } = await startPair(t);
  assert.deepEqual(await carrier(), ['a']);
  feeds.a.close();
  await until('the feed noticed', { seconds: 5 }, () => !server.deps.feed.isOnline(a.id));
  await pass(server, sweep, offlineMs + stepMs, () => b.report());
  assert.deepEqual(await carrier(), ['b']);
  await a.report();
  assert.equal(await isGone(server, a), true);
  await server.open('/agent/v1/feed', { agent: a });
  await until('the host is back', { seconds: 5 }, async () => !(await isGone(server, a)));
  assert.deepEqual(await carrier(), ['a']);
  const actions = (await server.admin(listAudit, {})).items.filter(({ actor }) => actor === 'server');
  assert.deepEqual(
    actions.slice(0, 2).map(({ action }) => action),
    ['host.back', 'host.gone'],
  );
});

test('the subnets of a host that holds its stream but reports nothing move too', async (t) => {
  const { server, sweep, b, carrier } = await startPair(t);
  await pass(server, sweep, silentMs + stepMs, () => b.report());
  assert.deepEqual(await carrier(), ['b']);
});

test('after a stall of its own the server blames nobody', async (t) => {
  const { server, sweep, a, b } = await startPair(t);
  server.later(60_000);
  await sweep.runOnce();
  assert.deepEqual([await isGone(server, a), await isGone(server, b)], [false, false]);
});

const running = (last: number): Partial<ReportBody> => ({
  workloads: [
    workloadSchema.parse({
      name: `web-${last}`,
      services: ['web'],
      addresses: [],
      ports: [],
      segment: null,
      isHealthy: true,
      variables: [],
    }),
  ],
});

/** Hosts with workloads, each with a stream, watched for longer than the grace period. */
async function startRunners(t: TestContext, count: number) {
  const server = await startServer(t);
  const sweep = createSweep(server.deps);
  t.after(() => sweep.stop());
  const agents: TestAgent[] = [];
  for (let i = 0; i < count; i += 1) {
    const agent = await enrollAgent(server, `h${i}`);
    agents.push(agent);
    await server.open('/agent/v1/feed', { agent });
  }
  await until('all are online', { seconds: 5 }, () => server.deps.feed.onlineCount() === count);
  const report = async (some: readonly TestAgent[]) => {
    for (const agent of some) await agent.report(running(agents.indexOf(agent)));
  };
  await pass(server, sweep, graceMs + stepMs, () => report(agents));
  const gone = async (): Promise<number[]> => {
    const verdicts = await Promise.all(agents.map((agent) => isGone(server, agent)));
    return verdicts.flatMap((verdict, i) => (verdict ? [i] : []));
  };
  return { server, sweep, agents, report, gone };
}

test('a host that dies without a word takes its workloads out of the map within seconds, and brings them back', async (t) => {
  const { server, sweep, agents, report, gone } = await startRunners(t, 3);
  const { silentMs: runnerMs } = runnerPatience(3);
  assert.ok(runnerMs <= 20_000);
  await pass(server, sweep, runnerMs + stepMs, () => report(agents.slice(1)));
  assert.deepEqual(await gone(), [0]);
  await report(agents);
  assert.deepEqual(await gone(), []);
});

test('a host that died while no server ran is found gone by the next one', async (t) => {
  const { server, agents, report, gone } = await startRunners(t, 2);
  const [dead, alive] = agents;
  assert.ok(dead !== undefined && alive !== undefined);
  server.deps.live.forget(dead.id);
  const next = createSweep(server.deps);
  t.after(() => next.stop());
  await pass(server, next, 2 * graceMs, () => report([alive]));
  assert.deepEqual(await gone(), [0]);
});

test('a crowd that falls silent together is waited for, and told of a few at a time', async (t) => {
  const { server, sweep, agents, report, gone } = await startRunners(t, 8);
  const before = server.deps.store.position().revision;
  await pass(server, sweep, runnerPatience(8).silentMs + crowdMs - 2 * stepMs);
  assert.equal(server.deps.store.position().revision, before);
  await report(agents);
  await sweep.runOnce();
  assert.equal(server.deps.store.position().revision, before);
  await pass(server, sweep, runnerPatience(8).silentMs + crowdMs + 2 * stepMs);
  assert.equal((await gone()).length, 8);
  assert.equal(server.deps.store.position().revision, before + 1);
});

test('a disabled host with workloads is not judged again and again', async (t) => {
  const { server, sweep, agents, report, gone } = await startRunners(t, 2);
  const [first, second] = agents;
  assert.ok(first !== undefined && second !== undefined);
  await server.admin(disableHost, { params: { id: first.id } });
  const { revision } = server.deps.store.position();
  await pass(server, sweep, 2 * silentMs, () => report([second]));
  assert.deepEqual(await gone(), []);
  assert.equal(server.deps.store.position().revision, revision);
});

test('a host without subnets or workloads is never called gone', async (t) => {
  const server = await startServer(t);
  const sweep = createSweep(server.deps);
  t.after(() => sweep.stop());
  const web = await enrollAgent(server, 'web-1');
  await pass(server, sweep, 2 * graceMs);
  assert.equal(await isGone(server, web), false);
});

test('an ephemeral host that stays away is removed by the server; a lasting one stays', async (t) => {
  const server = await startServer(t);
  const sweep = createSweep(server.deps);
  t.after(() => sweep.stop());
  const token = await server.token({ ephemeral: true });
  const ci = await enrollAgent(server, 'ci-1', { token });
  await enrollAgent(server, 'web-1');
  await pass(server, sweep, ephemeralMs - 2 * stepMs);
  assert.equal((await server.admin(listHosts, {})).items.length, 2);
  await pass(server, sweep, 30_000);
  assert.deepEqual(
    (await server.admin(listHosts, {})).items.map(({ name }) => name),
    ['web-1'],
  );
  const { items } = await server.admin(listAudit, {});
  const entry = items.find(({ action }) => action === 'host.remove');
  assert.deepEqual([entry?.actor, entry?.subject], ['server', ci.id]);
});

test('sightings are saved when the sweep stops, without a revision', async (t) => {
  const server = await startServer(t);
  const web = await enrollAgent(server, 'web-1');
  const { epoch, revision } = server.deps.store.position();
  await web.report({ applied: { epoch, revision }, agentVersion: '0.2.0' });
  await createSweep(server.deps).stop();
  const stored = await findHost(server.deps.store.db, web.id);
  assert.deepEqual([stored?.appliedRevision, stored?.agentVersion], [revision, '0.2.0']);
  assert.equal(server.deps.store.position().revision, revision);
});

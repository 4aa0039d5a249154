import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { disableHost, listHosts } from '../../../shared/api/hosts.ts';
import { listTokens } from '../../../shared/api/tokens.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { prune } from '../../../server/status/housekeeping.ts';
import { createSweep } from '../../../server/status/sweep.ts';
import { type TestAgent, type TestServer, enrollAgent, startServer } from '../routes/support.ts';

/** The server's clock jumps while it runs: by more than certificates live, forth and back. */
const day = 86_400_000;

async function startMesh(t: TestContext) {
  const server = await startServer(t);
  const sweep = createSweep(server.deps);
  t.after(() => sweep.stop());
  const lasting = await enrollAgent(server, 'web-1');
  const ephemeral = await enrollAgent(server, 'ci-1', { token: await server.token({ ephemeral: true }) });
  await sweep.runOnce();
  /** Jumps, and lets everything that time brings about happen. */
  const jump = async (ms: number): Promise<void> => {
    server.later(ms);
    for (let n = 0; n < 3; n += 1) await sweep.runOnce();
    await prune(server.deps);
  };
  return { server, lasting, ephemeral, jump };
}

const addresses = async (server: TestServer): Promise<unknown[]> =>
  (await server.admin(listHosts, {})).items.map(({ name, addresses, leases, state }) => ({
    name,
    addresses,
    leases,
    state,
  }));

const codeOf = async (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => 'ok',
    (error: unknown) => (error instanceof WarrenError ? error.code : String(error)),
  );

const report = (agent: TestAgent): Promise<string> => codeOf(agent.report());

for (const days of [40, -40, 400]) {
  test(`a clock that jumps by ${days} days and back takes no host, address or certificate away`, async (t) => {
    const { server, lasting, ephemeral, jump } = await startMesh(t);
    const before = await addresses(server);
    await jump(days * day);
    assert.deepEqual(await addresses(server), before);
    assert.equal(await report(lasting), 'certificate-invalid');
    await jump(-days * day);
    assert.deepEqual(await addresses(server), before);
    assert.deepEqual([await report(lasting), await report(ephemeral)], ['ok', 'ok']);
    const { name } = await enrollAgent(server, 'late');
    assert.equal(name, 'late');
    const all = (await addresses(server)).map((host) => JSON.stringify((host as { leases: unknown }).leases));
    assert.equal(new Set(all).size, 3);
  });
}

test('a host that renewed while the clock was ahead is told why, and gets back in by renewing', async (t) => {
  const { server, lasting, jump } = await startMesh(t);
  await jump(20 * day);
  assert.equal(await report(lasting), 'certificate-invalid');
  await lasting.renew();
  assert.equal(await report(lasting), 'ok');
  await jump(-20 * day);
  await assert.rejects(lasting.report(), /not valid yet; check the clocks of host and server/);
  await lasting.renew();
  assert.equal(await report(lasting), 'ok');
  // A certificate of the future is no way around being disabled.
  await jump(20 * day);
  await lasting.renew();
  await jump(-20 * day);
  await server.admin(disableHost, { params: { id: lasting.id } });
  assert.equal(await codeOf(lasting.renew()), 'host-disabled');
});

test('a token that the clock ended for a moment is good again, and none is forgotten', async (t) => {
  const { server, jump } = await startMesh(t);
  const token = await server.token();
  const count = (await server.admin(listTokens, {})).items.length;
  await jump(40 * day);
  assert.equal(await codeOf(enrollAgent(server, 'early', { token })), 'token-invalid');
  await jump(-40 * day);
  assert.equal((await server.admin(listTokens, {})).items.length, count);
  assert.equal(await codeOf(enrollAgent(server, 'early', { token })), 'ok');
});

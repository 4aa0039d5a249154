import assert from 'node:assert/strict';
import { test } from 'node:test';
import { desire } from '../../../agent/plan/desire.ts';
import { noLocalFacts } from '../../../agent/plan/local.ts';
import type { Observed, ObservedLink } from '../../../agent/plan/observed.ts';
import { plan } from '../../../agent/plan/plan.ts';
import { linkMark } from '../../../agent/plan/settings.ts';
import { observe } from '../../../agent/observe.ts';
import { AgentFixture, fakeHost, settingsOf } from '../../support/agent-fixture.ts';
import { meshOf } from '../../support/mesh-map.ts';

const map = meshOf(2);
const settings = settingsOf(1);

/** A settled host that has one more veth, as the container engine's driver leaves it. */
async function hostWith(changes: Partial<ObservedLink>): Promise<Observed> {
  const { system } = fakeHost();
  await new AgentFixture(system, settings).pass(map);
  const observed = await observe(system, settings, [], 1);
  const port: ObservedLink = {
    name: 'wvport',
    index: 99,
    kind: 'veth',
    alias: linkMark(settings),
    mtu: 1420,
    isUp: true,
    isLoopback: false,
    master: settings.bridgeName,
    mac: undefined,
    peerIndex: 2,
    addresses: [],
    ...changes,
  };
  return { ...observed, links: new Map([...observed.links, [port.name, port]]) };
}

const stepsFor = (observed: Observed, ports: readonly string[]) =>
  plan(desire({ map, settings, attachments: [], local: { ...noLocalFacts, ports } }, observed).desired, observed).steps;

test("the engine's port that is as it should be is left alone, and one that is not there is not made", async () => {
  assert.deepEqual(stepsFor(await hostWith({}), ['wvport', 'wvgone']), []);
});

test('a port that lost its bridge is put back, whoever made the bridge anew', async () => {
  const [step, ...others] = stepsFor(await hostWith({ master: undefined }), ['wvport']);
  assert.ok(step?.kind === 'link-set' && step.interfaceName === 'wvport' && step.master === settings.bridgeName);
  assert.deepEqual(others, []);
});

test('a port that nobody keeps any more goes, and a link of somebody else stays', async () => {
  assert.deepEqual(
    stepsFor(await hostWith({}), []).map(({ kind }) => kind),
    ['link-remove'],
  );
  assert.deepEqual(stepsFor(await hostWith({ alias: undefined }), []), []);
});

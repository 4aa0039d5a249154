import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createAgentCall } from '../../agent/local/client.ts';
import { predictPath } from '../../shared/nat.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type NatKind, behaviours } from '../support/lab-nat-rules.ts';
import { addBox } from '../support/lab-nat.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { until } from '../support/wait.ts';

/** Two hosts behind a box of each kind, a relay that all reach, and every pair of them: what was predicted, what came. */
const kinds: readonly NatKind[] = ['public', 'forwarded', 'easy', 'address-restricted', 'symmetric'];
/** Prints how long each pair took; a busy machine takes longer, so nothing is asserted of it. */
const isTimed = process.env['WARREN_GRID_TIMES'] === '1';

let lab: Lab;
const groups = new Map<NatKind, [LabHost, LabHost]>();

before(async () => {
  lab = await openLab();
  const relay = await lab.addMember();
  await lab.server.admin('host', 'set', relay.name, '--relay', 'on');
  const token = await lab.token();
  const make = async (kind: NatKind, n: number): Promise<LabHost> => {
    const host = await lab.addHost(`${kind.slice(0, 3)}${n}`, await addBox(lab, { kind }));
    await host.join(token);
    return host;
  };
  for (const kind of kinds) groups.set(kind, [await make(kind, 1), await make(kind, 2)]);
  await Promise.all([...groups.values()].flat().map((host) => host.startAgent()));
});
after(() => lab?.close());

for (const [i, one] of kinds.entries()) {
  for (const other of kinds.slice(i)) {
    const predicted = predictPath(behaviours[one], behaviours[other]);
    test(`${one} and ${other} meet: ${predicted}`, async () => {
      const a = groups.get(one)?.[0];
      const b = groups.get(other)?.[1];
      assert.ok(a !== undefined && b !== undefined);
      await Promise.all([waitForPath(a, b, predicted), waitForPath(b, a, predicted)]);
      const { stdout } = await a.warren(['ping', b.name, '-c', '1', '--json']);
      assert.match(stdout, /"received": 1/);
    });
  }
}

async function waitForPath(from: LabHost, to: LabHost, wanted: string): Promise<void> {
  const call = createAgentCall(from.runDir);
  await until(`${from.name} reaches ${to.name} by ${wanted}`, { seconds: 120 }, async () => {
    const peer = (await call('status', {})).peers.find(({ name }) => name === to.name);
    if (peer?.path !== wanted) throw new Error(`${peer?.path} at ${peer?.endpoint}`);
    return true;
  });
  if (isTimed)
    process.stdout.write(`# ${from.name} -> ${to.name}: ${wanted} after ${await secondsTaken(from, to)} s\n`);
}

/** From when both were told of each other by the server. */
async function secondsTaken(from: LabHost, to: LabHost): Promise<string> {
  const [here, there] = await Promise.all([from, to].map((host) => createAgentCall(host.runDir)('status', {})));
  const since = here?.peers.find(({ name }) => name === to.name)?.pathSince ?? '';
  const began = Math.max(Date.parse(here?.server.since ?? ''), Date.parse(there?.server.since ?? ''));
  return ((Date.parse(since) - began) / 1000).toFixed(1);
}

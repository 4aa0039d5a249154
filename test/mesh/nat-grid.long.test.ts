import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createAgentCall } from '../../agent/local/client.ts';
import { predictPath } from '../../shared/nat.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type NatKind, behaviours } from '../support/lab-nat-rules.ts';
import { addBox } from '../support/lab-nat.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { until } from '../support/wait.ts';

/**
 * Hosts behind boxes of each kind and a relay that all reach; they come one after the other. What is predicted of each
 * pair is what comes, and it is told how long after the newcomer's first connection. A busy machine takes longer, so
 * nothing is asserted of the times.
 */
const kinds: readonly NatKind[] = ['public', 'forwarded', 'easy', 'address-restricted', 'symmetric'];

let lab: Lab;
let token: string;

before(async () => {
  lab = await openLab();
  const relay = await lab.addMember();
  await lab.server.admin('host', 'set', relay.name, '--relay', 'on');
  token = await lab.token();
});
after(() => lab?.close());

const firsts = new Map<NatKind, LabHost>();

async function enter(name: string, kind: NatKind): Promise<LabHost> {
  const host = await lab.addHost(name, await addBox(lab, { kind }));
  await host.join(token);
  await host.startAgent();
  return host;
}

test('the first hosts of each kind come', async () => {
  for (const kind of kinds) firsts.set(kind, await enter(`${kind.slice(0, 3)}1`, kind));
  await Promise.all([...firsts.values()].map((host) => host.waitUntil('ready', 60)));
});

for (const [i, kind] of kinds.entries()) {
  // Each pair of kinds once: the second host of a kind meets the first of its own and of those before.
  const others = kinds.slice(0, i + 1);
  test(`a host behind a box of kind ${kind} meets ${others.join(', ')} as predicted`, async (t) => {
    const newcomer = await enter(`${kind.slice(0, 3)}2`, kind);
    const lines = await Promise.all(
      others.map(async (other) => {
        const host = firsts.get(other);
        assert.ok(host !== undefined);
        const predicted = predictPath(behaviours[other], behaviours[kind]);
        const { path, ping } = await meet(newcomer, host, predicted);
        return `${other} and ${kind}: ${predicted} after ${path} s, first answered ping after ${ping} s`;
      }),
    );
    for (const line of lines) t.diagnostic(line);
  });
}

interface Met {
  /** Seconds from the newcomer's connection with the server until both ends had the path. */
  readonly path: string;
  /** And until the first ping through it was answered, at a quarter of a second of exactness. */
  readonly ping: string;
}

async function meet(newcomer: LabHost, host: LabHost, wanted: string): Promise<Met> {
  const call = createAgentCall(newcomer.runDir);
  const { peer, began } = await until(`${newcomer.name} knows ${host.name}`, { seconds: 60 }, async () => {
    const { peers, server } = await call('status', {});
    const found = peers.find(({ name }) => name === host.name);
    return found !== undefined && server.since !== null && { peer: found, began: Date.parse(server.since) };
  });
  const answered = until(`${host.name} answers ${newcomer.name}`, { seconds: 120 }, async () => {
    await newcomer.run(['ping', '-n', '-c', '1', '-W', '0.25', peer.addresses[0] ?? '']);
    return Date.now();
  });
  const ways = [pathSince(newcomer, host, wanted), pathSince(host, newcomer, wanted)];
  const [ping, ...since] = await Promise.all([answered, ...ways]);
  const seconds = (at: number): string => ((at - began) / 1000).toFixed(1);
  return { path: seconds(Math.max(...since)), ping: seconds(ping) };
}

async function pathSince(from: LabHost, to: LabHost, wanted: string): Promise<number> {
  const call = createAgentCall(from.runDir);
  return until(`${from.name} reaches ${to.name} by ${wanted}`, { seconds: 120 }, async () => {
    const peer = (await call('status', {})).peers.find(({ name }) => name === to.name);
    if (peer === undefined || peer.path !== wanted)
      throw new Error(`${peer?.path} at ${peer?.endpoint}: ${peer?.whyNotDirect}`);
    return Date.parse(peer.pathSince ?? '') || Date.now();
  });
}

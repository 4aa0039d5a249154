import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../support/lab-config.ts';
import type { LabHost } from '../support/lab-host.ts';
import type { NatKind } from '../support/lab-nat-rules.ts';
import { type NatBox, addBox } from '../support/lab-nat.ts';
import { type Lab, openLab } from '../support/lab.ts';
import { inside } from '../support/namespace.ts';
import { startProcess } from '../support/process.ts';
import { until } from '../support/wait.ts';

/** The boxes that other tests put hosts behind do to packets what their names say. No Warren here. */
const script = join(root, 'test/support/nat-witness.py');
let lab: Lab;
let witness: LabHost;
let other: LabHost;
let guest: LabHost;

before(async () => {
  lab = await openLab();
  witness = await lab.addHost('witness');
  other = await lab.addHost('other');
  guest = await lab.addHost('guest');
  for (const [host, partner] of [
    [witness, other],
    [other, witness],
  ] as const) {
    const argv = inside(host.namespace, ['python3', script, 'witness', partner.address]);
    const running = startProcess(argv, { logFile: join(host.dir, 'witness.log') });
    await until('the witness is there', { seconds: 20 }, () => running.output().includes('ready'));
  }
});
after(() => lab?.close());

interface Found {
  readonly seen: readonly string[];
  readonly came: readonly string[];
}

async function ask(box: NatBox, seconds = 5): Promise<Found> {
  await lab.move(guest, box);
  const { stdout } = await guest.run(['python3', script, 'ask', witness.address, other.address, String(seconds)]);
  return JSON.parse(stdout) as Found;
}

const cases: ReadonlyArray<[NatKind, { isSteady: boolean; came: string[] }]> = [
  ['public', { isSteady: true, came: ['elsewhere', 'unasked'] }],
  ['forwarded', { isSteady: true, came: ['elsewhere', 'unasked'] }],
  ['easy', { isSteady: true, came: [] }],
  ['address-restricted', { isSteady: true, came: ['elsewhere'] }],
  ['symmetric', { isSteady: false, came: [] }],
];

for (const [kind, expected] of cases) {
  for (const input of ['drop', 'accept'] as const) {
    test(`a box of kind ${kind} with input ${input} maps and filters as its kind says`, async () => {
      const box = await addBox(lab, { kind, input });
      const { seen, came } = await ask(box);
      assert.deepEqual(came, expected.came);
      const ports = new Set(seen.map((source) => source.split(':')[1]));
      assert.equal(ports.size === 1, expected.isSteady, seen.join());
      const address = kind === 'public' ? guest.address : box.address;
      assert.ok(
        seen.every((source) => source.startsWith(`${address}:`)),
        seen.join(),
      );
    });
  }
}

test('a box that starts anew gives another port, and one for all receivers again', async () => {
  for (const kind of ['easy', 'address-restricted'] as const) {
    const box = await addBox(lab, { kind });
    const [before] = (await ask(box)).seen;
    assert.equal(before, `${box.address}:51820`);
    await box.rebind();
    const { seen, came } = await ask(box);
    assert.equal(new Set(seen).size, 1, seen.join());
    assert.match(seen[0] ?? '', /:210\d\d$/);
    assert.deepEqual(came, kind === 'easy' ? [] : ['elsewhere']);
    await box.rebind();
    assert.match((await ask(box)).seen[0] ?? '', /:220\d\d$/);
  }
});

test('hosts behind one box reach each other and the server, and nobody reaches them', async () => {
  const box = await addBox(lab, { kind: 'easy' });
  const neighbour = await lab.addHost('neighbour', box);
  await lab.move(guest, box);
  await guest.run(['ping', '-n', '-c', '1', '-W', '5', neighbour.address]);
  await guest.run(['ping', '-n', '-c', '1', '-W', '5', '10.0.0.2']);
  const { exitCode } = await witness.run(['ping', '-n', '-c', '1', '-W', '1', guest.address], { okCodes: 'any' });
  assert.notEqual(exitCode, 0);
});

test('a box that blocks UDP lets TCP pass, and lets UDP pass again', async () => {
  const box = await addBox(lab, { kind: 'easy' });
  await box.setUdp('blocked');
  const code = 'import socket; socket.create_connection(("10.0.0.2", 8443), 5)';
  await lab.move(guest, box);
  await guest.run(['python3', '-c', code]);
  await assert.rejects(ask(box, 1), /timed out/);
  await box.setUdp('open');
  assert.equal((await ask(box)).seen.length, 3);
});

test('a narrow way tells who sends too much, or swallows it', async () => {
  const box = await addBox(lab, { kind: 'easy' });
  await lab.move(guest, box);
  const send = async (bytes: number): Promise<string> => {
    const argv = ['ping', '-n', '-M', 'do', '-c', '1', '-W', '1', '-s', String(bytes - 28), witness.address];
    const { stdout, stderr } = await guest.run(argv, { okCodes: 'any' });
    return stdout + stderr;
  };
  await box.setMtu(1400, false);
  assert.match(await send(1400), / 0% packet loss/);
  assert.match(await send(1401), /100% packet loss/);
  await box.setMtu(1280);
  assert.match(await send(1281), /mtu ?= ?1280/);
  await box.setMtu(1500);
});

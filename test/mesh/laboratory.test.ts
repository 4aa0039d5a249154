import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { countKinds, startCapture } from '../support/capture.ts';
import { type Run, beginRun, namespacePrefix } from '../support/lab-cleanup.ts';
import { listNamespaces, runInside } from '../support/namespace.ts';
import { readLoss } from '../support/traffic.ts';
import { type Underlay, makeUnderlay } from '../support/underlay.ts';

/** The instruments that the other tests trust: they must be able to say no. */
let run: Run;
let underlay: Underlay;
let a: string;
let b: string;

before(async () => {
  run = beginRun();
  const prefix = namespacePrefix(run.id);
  [a, b] = [`${prefix}a`, `${prefix}b`];
  underlay = await makeUnderlay(`${prefix}router`);
  await underlay.connect(a, '10.0.0.10');
  await underlay.connect(b, '10.0.0.11');
});
after(() => run?.end());

test('a packet in clear on the underlay is seen, counted as foreign, and its marker found', async () => {
  const capture = await startCapture(underlay.router, join(run.dir, 'wire.pcap'));
  const pattern = Buffer.from('PLAIN-AS-DAY').toString('hex');
  await runInside(a, ['ping', '-n', '-c', '5', '-i', '0.01', '-p', pattern, '10.0.0.11']);
  const recording = await capture.stop();
  assert.deepEqual(countKinds(recording, 8443).other, 10);
  assert.ok(recording.count('PLAIN-AS-DAY') >= 10);
});

test('a link that is cut loses packets, and the count says which', async () => {
  const counting = runInside(a, ['ping', '-n', '-i', '0.01', '-c', '200', '-W', '1', '10.0.0.11'], { okCodes: 'any' });
  await underlay.setLink(b, 'down');
  await runInside(a, ['sleep', '0.3']);
  await underlay.setLink(b, 'up');
  const loss = readLoss('a -> b', (await counting).stdout);
  assert.equal(loss.sent, 200);
  assert.ok(loss.lost.length >= 10, `${loss.lost.length} lost`);
  assert.equal(loss.lost.length + loss.received, 200);
});

test('lost sequence numbers are read from ping, replies under way at the end are not lost', () => {
  const reply = (sequence: number): string => `64 bytes from 10.0.0.1: icmp_seq=${sequence} ttl=64 time=0.50 ms\n`;
  const output = `${reply(1)}${reply(2)}From 10.0.0.9 icmp_seq=3 Destination Host Unreachable\n${reply(5)}${reply(5)}`;
  const loss = readLoss('x', `${output}\n6 packets transmitted, 4 received, +1 duplicates\n`);
  assert.deepEqual([loss.lost, loss.received, loss.duplicates], [[3, 4], 3, 1]);
  const cut = readLoss('x', `${reply(1)}\n50 packets transmitted, 1 received\n`);
  assert.equal(cut.lost.length, 49);
});

test('two labs stand side by side and the end of one leaves the other', async () => {
  const other = beginRun();
  const router = `${namespacePrefix(other.id)}router`;
  await makeUnderlay(router);
  other.end();
  assert.deepEqual(listNamespaces(namespacePrefix(other.id)), []);
  assert.equal(listNamespaces(namespacePrefix(run.id)).length, 3);
});

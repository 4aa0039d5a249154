import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findPathMtu, judgeEchoes, readEcho, sizesFor } from '../../../agent/netcheck/path-mtu.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { parseAddress } from '../../../shared/net/address.ts';

const summary = (received: number): string => `2 packets transmitted, ${received} received, 0% packet loss, time 200ms`;

test('what pings print of a packet that is too big is read, in all their spellings', () => {
  for (const text of [
    'ping: sendmsg: Message too long\nping: local error: message too long, mtu=1400',
    'ping: local error: message too long, mtu: 1400',
    'From 10.0.0.1 icmp_seq=1 Frag needed and DF set (mtu = 1400)',
    'From fe80::1 icmp_seq=1 Packet too big: mtu=1400',
  ])
    assert.deepEqual(readEcho(1500, `${text}\n${summary(0)}`), { bytes: 1500, isAnswered: false, toldMtu: 1400 }, text);
  assert.deepEqual(readEcho(1280, summary(1)), { bytes: 1280, isAnswered: true, toldMtu: undefined });
  assert.deepEqual(readEcho(1280, 'ping: invalid option -- M'), { bytes: 1280, isAnswered: false, toldMtu: undefined });
});

test('a path that tells its MTU is known exactly, one that does not by the largest echo', () => {
  const echoes = (mtu: number, isTold: boolean) =>
    sizesFor(1500).map((bytes) => readEcho(bytes, bytes <= mtu ? summary(2) : isTold ? `mtu=${mtu}` : summary(0)));
  assert.deepEqual(judgeEchoes(1500, echoes(1500, true)), { linkMtu: 1500, pathMtu: 1500, isTold: true });
  assert.deepEqual(judgeEchoes(1500, echoes(1406, true)), { linkMtu: 1500, pathMtu: 1406, isTold: true });
  assert.deepEqual(judgeEchoes(1500, echoes(1406, false)), { linkMtu: 1500, pathMtu: 1400, isTold: false });
  assert.deepEqual(judgeEchoes(1500, echoes(0, false)), { linkMtu: 1500, pathMtu: undefined, isTold: false });
});

test('nothing larger than the first link is sent, and never a size twice', () => {
  assert.deepEqual(sizesFor(1480).slice(0, 2), [1480, 1460]);
  assert.equal(new Set(sizesFor()).size, sizesFor().length);
});

test('the length of an echo counts its headers, and a host without ping knows nothing', async () => {
  const sent: string[] = [];
  const answer = (argv: readonly string[]) => {
    sent.push(argv.join(' '));
    return Promise.resolve({ stdout: summary(2), stderr: '', exitCode: 0 });
  };
  await findPathMtu({ run: ({ argv }) => answer(argv) }, parseAddress('192.0.2.1'), 1500);
  await findPathMtu({ run: ({ argv }) => answer(argv) }, parseAddress('2001:db8::1'), 1500);
  assert.ok(sent.some((line) => line.includes(' -s 1472 192.0.2.1')));
  assert.ok(sent.some((line) => line.includes(' -s 1452 2001:db8::1')));
  const missing = () => Promise.reject(new WarrenError('program-missing', 'the program ping is not installed'));
  assert.equal((await findPathMtu({ run: missing }, parseAddress('192.0.2.1'), 1500)).pathMtu, undefined);
});

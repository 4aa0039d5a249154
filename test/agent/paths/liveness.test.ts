import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Liveness, type Signs, createLiveness } from '../../../agent/paths/liveness.ts';
import { parsePublicKey } from '../../../shared/wireguard.ts';
import { publicKeyOf } from '../../support/mesh-map.ts';

const peer = parsePublicKey(publicKeyOf(2));
const there: Signs = { isProven: true, isSilent: false, handshakeAt: 500, isHandshakeFresh: true, rxBytes: 100 };
const silent: Signs = { ...there, isProven: false, isSilent: true };

function judge(isTunnelAnswering: boolean): { liveness: Liveness; asked: () => number; told: unknown[] } {
  let asked = 0;
  const told: unknown[] = [];
  const liveness = createLiveness({
    askTunnel: () => {
      asked += 1;
      return Promise.resolve(isTunnelAnswering);
    },
    onVerdict: (_, verdict) => told.push(verdict),
  });
  return { liveness, asked: () => asked, told };
}

/** Lets what was asked be answered. */
const answered = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a peer that answers is alive, and one that falls silent in both ways is dead', async () => {
  const { liveness, told } = judge(false);
  liveness.see(peer, there, 0);
  assert.equal(liveness.verdict(peer), 'alive');
  liveness.see(peer, silent, 20_000);
  await answered();
  assert.equal(liveness.verdict(peer), 'dead');
  assert.deepEqual(told, ['alive', undefined, 'dead']);
});

test('a tunnel that answers while the agent does not keeps the peer from being dead, and is not asked all the time', async () => {
  const { liveness, asked } = judge(true);
  liveness.see(peer, there, 0);
  for (let now = 20_000; now < 50_000; now += 1000) {
    liveness.see(peer, silent, now);
    await answered();
    assert.equal(liveness.verdict(peer), undefined);
  }
  assert.ok(asked() >= 3 && asked() <= 5, `${asked()}`);
});

test('without a fresh handshake no tunnel is left to be asked', () => {
  const { liveness, asked } = judge(true);
  liveness.see(peer, there, 0);
  liveness.see(peer, { ...silent, isHandshakeFresh: false }, 20_000);
  assert.equal(liveness.verdict(peer), 'dead');
  assert.equal(asked(), 0);
});

test('a host that has just come is given time', () => {
  const { liveness } = judge(false);
  const never: Signs = { ...silent, handshakeAt: 0, isHandshakeFresh: false, rxBytes: 0 };
  liveness.see(peer, never, 0);
  liveness.see(peer, never, 9_000);
  assert.equal(liveness.verdict(peer), undefined);
  liveness.see(peer, never, 11_000);
  assert.equal(liveness.verdict(peer), 'dead');
});

test('whatever comes out of the tunnel, or a probe answered, takes the verdict back', async () => {
  const { liveness } = judge(false);
  liveness.see(peer, there, 0);
  liveness.see(peer, silent, 20_000);
  await answered();
  liveness.see(peer, silent, 21_000);
  assert.equal(liveness.verdict(peer), 'dead');
  liveness.see(peer, { ...silent, rxBytes: 132 }, 22_000);
  assert.equal(liveness.verdict(peer), undefined);
  liveness.see(peer, { ...silent, rxBytes: 132 }, 40_000);
  await answered();
  assert.equal(liveness.verdict(peer), 'dead');
  liveness.see(peer, there, 41_000);
  assert.equal(liveness.verdict(peer), 'alive');
});

test('an answer that comes while the tunnel is asked counts more than its silence', async () => {
  const { liveness } = judge(false);
  liveness.see(peer, there, 0);
  liveness.see(peer, silent, 20_000);
  liveness.see(peer, there, 20_100);
  await answered();
  assert.equal(liveness.verdict(peer), 'alive');
});

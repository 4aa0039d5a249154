import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { parsePublicKey } from '../../shared/wireguard.ts';

const base64 = (bytes: number[]): string => Buffer.from(bytes).toString('base64');

test('real X25519 public keys are taken', () => {
  for (let i = 0; i < 50; i += 1) {
    const der = generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'der' });
    const key = der.subarray(-32).toString('base64');
    assert.equal(parsePublicKey(key), key);
  }
});

test('low-order points are refused, with and without the ignored top bit', () => {
  const zero = Array.from({ length: 32 }, () => 0);
  const one = [1, ...zero.slice(1)];
  assert.throws(() => parsePublicKey(base64(zero)), { code: 'public-key-invalid' });
  assert.throws(() => parsePublicKey(base64(one)), { code: 'public-key-invalid' });
  assert.throws(() => parsePublicKey(base64([...zero.slice(0, 31), 0x80])), { code: 'public-key-invalid' });
});

test('text that is not canonical base64 of 32 bytes is refused', () => {
  const good = base64(Array.from({ length: 32 }, (_, i) => i + 7));
  const stray = `${good.slice(0, 42)}${good[42] === 'A' ? 'B' : 'B'}=`;
  for (const text of ['', good.slice(1), `${good}=`, good.replace('=', ''), stray, `${good}\n[Peer]`]) {
    assert.throws(() => parsePublicKey(text), { code: 'public-key-invalid' }, text);
  }
});

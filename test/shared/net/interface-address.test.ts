import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInterfaceAddress, splitInterfaceAddress } from '../../../shared/net/interface-address.ts';
import { WarrenError } from '../../../shared/errors.ts';

test('an address with its length is taken apart into address and network', () => {
  assert.deepEqual(splitInterfaceAddress('192.168.5.130/25'), { address: '192.168.5.130', prefix: '192.168.5.128/25' });
  assert.deepEqual(splitInterfaceAddress('fd00:5::2/64'), { address: 'fd00:5::2', prefix: 'fd00:5::/64' });
  assert.equal(splitInterfaceAddress('10.0.0.1/32').prefix, '10.0.0.1/32');
});

test('anything that is not canonical, or has no length that fits, is refused', () => {
  for (const text of [
    '',
    '10.0.0.1',
    '10.0.0.1/33',
    '10.0.0.1/0',
    '10.0.0.1/024',
    '10.0.01/24',
    'fd00::1/129',
    'x/24',
    '10.0.0.1/24 up',
  ]) {
    assert.throws(() => parseInterfaceAddress(text), WarrenError, text);
  }
});

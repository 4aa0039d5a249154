import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeEndpoint, parseEndpoint, splitEndpoint } from '../../../shared/net/endpoint.ts';
import { parseAddress } from '../../../shared/net/address.ts';

test('IPv4 and IPv6 endpoints are taken apart and put together', () => {
  assert.deepEqual(splitEndpoint('192.0.2.7:51820'), { address: '192.0.2.7', port: 51820 });
  assert.deepEqual(splitEndpoint('[2001:db8::7]:1'), { address: '2001:db8::7', port: 1 });
  assert.equal(makeEndpoint(parseAddress('2001:db8::7'), 65535), '[2001:db8::7]:65535');
});

test('names, odd ports and addresses that are no host are refused', () => {
  const bad = [
    'example.org:51820',
    '192.0.2.7',
    '192.0.2.7:0',
    '192.0.2.7:65536',
    '192.0.2.7:051820',
    '2001:db8::7:51820',
    '[2001:DB8::7]:51820',
    '[fe80::1]:51820',
    '[ff02::1]:51820',
    '[::]:51820',
    '0.0.0.0:51820',
    '224.0.0.1:51820',
    '255.255.255.255:51820',
    '192.0.2.7:51820\nAllowedIPs=0.0.0.0/0',
  ];
  for (const text of bad) assert.throws(() => parseEndpoint(text), { code: 'endpoint-invalid' }, text);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../../shared/net/address.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { refuseSubnet, urlAddress } from '../../../server/subnets/refuse.ts';

const used = {
  pools: ['10.86.0.0/16', '10.210.0.0/16', 'fd00:1::/48'].map(parseCidr),
  serverAddress: parseAddress('192.0.2.1'),
};
const refuse = (prefix: string): void => refuseSubnet(parseCidr(prefix), used, 'advertise/0/prefix');

test('a private network outside of all pools may be advertised', () => {
  for (const prefix of ['192.168.7.0/24', '10.0.0.0/10', '10.211.0.0/16', '2001:db8::/32']) refuse(prefix);
});

test('nothing that overlaps a pool by a single address may be advertised', () => {
  for (const prefix of ['10.210.3.0/24', '10.210.255.255/32', '10.86.0.0/16', '10.0.0.0/8', 'fd00:1:0:5::/64']) {
    assert.throws(() => refuse(prefix), { code: 'prefix-overlaps', field: 'advertise/0/prefix' });
  }
});

test('the whole Internet, loopback, link-local and multicast are refused', () => {
  for (const prefix of ['0.0.0.0/0', '::/0', '127.0.0.0/8', '169.254.1.0/24', '224.0.0.0/4', 'fe80::/64']) {
    assert.throws(() => refuse(prefix), { code: 'prefix-refused' });
  }
});

test("a prefix with the server's own address is refused", () => {
  assert.throws(() => refuse('192.0.2.0/24'), { code: 'prefix-refused', message: /192\.0\.2\.1/ });
});

test('the address of a url is known only where the url holds one', () => {
  assert.equal(urlAddress('https://192.0.2.1:8443'), '192.0.2.1');
  assert.equal(urlAddress('https://[2001:db8::1]:8443'), '2001:db8::1');
  assert.equal(urlAddress('https://warren.example.org:8443'), undefined);
});

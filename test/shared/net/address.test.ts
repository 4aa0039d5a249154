import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressValue, formatAddress, isAddress, parseAddress } from '../../../shared/net/address.ts';

const v4 = fc.bigInt({ min: 0n, max: (1n << 32n) - 1n });
const v6 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).filter((value) => value >> 32n !== 0xffffn);

test('every IPv4 value survives format and parse', () => {
  fc.assert(
    fc.property(v4, (value) => {
      const text = formatAddress({ family: 4, value });
      assert.equal(isIP(text), 4);
      assert.deepEqual(addressValue(text), { family: 4, value });
    }),
  );
});

test('every IPv6 value survives format and parse', () => {
  fc.assert(
    fc.property(v6, (value) => {
      const text = formatAddress({ family: 6, value });
      assert.equal(isIP(text), 6);
      assert.deepEqual(addressValue(text), { family: 6, value });
    }),
  );
});

test('IPv6 text is what WHATWG URL parsing makes of it (RFC 5952)', () => {
  fc.assert(
    fc.property(v6, (value) => {
      const text = formatAddress({ family: 6, value });
      assert.equal(new URL(`http://[${text}]/`).hostname, `[${text}]`);
    }),
  );
});

test('spellings that other parsers guess at are refused', () => {
  const bad = [
    '010.0.0.1',
    '10.1',
    '0x7f.1',
    '1.2.3.4.5',
    '256.0.0.1',
    '1.2.3',
    ' 1.2.3.4',
    '1.2.3.4\n',
    '١.٢.٣.٤',
    'FD00::1',
    'fd00:0:0::1',
    'fd00::0:1',
    '1::2::3',
    ':::',
    '::ffff:1.2.3.4',
    '::ffff:102:304',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7:8:9',
    '0:0:0:0:0:0:0:1',
    '',
    'a'.repeat(65536),
  ];
  for (const text of bad) assert.throws(() => parseAddress(text), { code: 'address-invalid' }, JSON.stringify(text));
});

test('the refusal says how to write the address', () => {
  assert.throws(() => parseAddress('FD00::1'), /write it as fd00::1/);
  assert.throws(() => parseAddress('0:0:0:0:0:0:0:1'), /write it as ::1/);
});

test('arbitrary text never makes the parser throw anything else', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => assert.equal(typeof isAddress(text), 'boolean')));
});

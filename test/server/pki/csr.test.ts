import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { WarrenError } from '../../../shared/errors.ts';
import { readCsr } from '../../../server/pki/csr.ts';
import { buildCsr, der, newKey, toPem } from './csr-builder.ts';

const refused = (csr: string): void => {
  assert.throws(() => readCsr(csr), { code: 'csr-invalid' });
};

test('a request is read to the hash of its key', () => {
  for (const kind of ['P-256', 'Ed25519'] as const) {
    const key = newKey(kind);
    const first = readCsr(buildCsr(kind, { key }).csr);
    assert.match(first.spkiHash, /^[0-9a-f]{64}$/);
    assert.equal(readCsr(buildCsr(kind, { key }).csr).spkiHash, first.spkiHash);
  }
});

test('a request signed by another key is refused', () => {
  refused(buildCsr('P-256', { signer: newKey('P-256') }).csr);
  refused(buildCsr('Ed25519', { signer: newKey('Ed25519') }).csr);
});

test('keys that are not P-256 or Ed25519 are refused', () => {
  refused(buildCsr('P-256', { key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey }).csr);
  refused(buildCsr('P-256', { key: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey }).csr);
  refused(buildCsr('P-256', { key: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey }).csr);
});

test('another spelling of the same key is refused, because a host is known by the hash of it', () => {
  const key = newKey('P-256');
  const { csr, publicKey } = buildCsr('P-256', { key });
  readCsr(csr);
  const plain = publicKey.export({ type: 'spki', format: 'der' });
  const point = plain.subarray(27);
  const compressed = Buffer.concat([Buffer.from([2 + ((point[63] ?? 0) & 1)]), point.subarray(0, 32)]);
  const spki = der(0x30, plain.subarray(2, 23), der(0x03, Buffer.from([0]), compressed));
  refused(buildCsr('P-256', { key, spki }).csr);
});

test('text that is no request, too long or too deep is refused', () => {
  const { csr } = buildCsr('P-256');
  refused('');
  refused('-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n');
  refused(`${csr}${csr}`);
  refused(csr.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'));
  refused(`${csr}${' '.repeat(9000)}`);
  let deep = der(0x30);
  for (let depth = 0; depth < 1000; depth += 1) deep = der(0x30, deep);
  refused(toPem(deep));
});

test('a request with any byte changed is refused or read to the same key', () => {
  const key = newKey('Ed25519');
  const { csr } = buildCsr('Ed25519', { key });
  const { spkiHash } = readCsr(csr);
  const bytes = Buffer.from(csr.split('\n').slice(1, -2).join(''), 'base64');
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ change;
      try {
        assert.equal(readCsr(toPem(changed)).spkiHash, spkiHash);
      } catch (error) {
        assert.ok(error instanceof WarrenError && error.code === 'csr-invalid');
      }
    }),
  );
});

import assert from 'node:assert/strict';
import { X509Certificate, generateKeyPairSync, randomBytes } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import type { HostId } from '../../../shared/names.ts';
import { loadOrCreateAuthority } from '../../../server/pki/authority.ts';
import { serverUri } from '../../../server/pki/signer.ts';
import { buildCsr } from './csr-builder.ts';
import { createMemoryKeys } from './memory-keys.ts';

const hostId = 'habcdefghijklmn23' as HostId;
const now = Date.UTC(2026, 10, 23, 12);
const clock = { now: () => now };
const open = (keys = createMemoryKeys()) => loadOrCreateAuthority({ keys, clock, random: randomBytes });

for (const kind of ['P-256', 'Ed25519'] as const) {
  test(`a host certificate for a ${kind} key names the host, is for clients, and is signed by the CA`, async () => {
    const authority = await open();
    const { csr, publicKey } = buildCsr(kind);
    const issued = authority.issueHostCertificate({ hostId, csrPem: csr, now });
    const certificate = new X509Certificate(issued.pem);
    assert.equal(certificate.subjectAltName, `URI:urn:warren:host:${hostId}`);
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
    assert.equal(certificate.ca, false);
    assert.equal(certificate.serialNumber.toLowerCase(), issued.serial);
    assert.equal(Date.parse(certificate.validTo), issued.expiresAt);
    assert.equal(Date.parse(certificate.validFrom), issued.notBefore);
    assert.equal(issued.expiresAt, now + 7 * 86_400_000);
    assert.ok(certificate.publicKey.equals(publicKey));
    assert.ok(authority.hasSigned(certificate));
    assert.equal(authority.readCsr(csr).spkiHash, issued.spkiHash);
  });
}

test('the server certificate carries the names it is reached by, and the CA follows it', async () => {
  const authority = await open();
  const { cert } = authority.serverCredentials({ dnsNames: ['warren.example.org'], addresses: ['127.0.0.1', '::1'] });
  const [leaf, ca] = cert.split(/(?<=-----END CERTIFICATE-----\n)/).map((pem) => new X509Certificate(pem));
  assert.equal(
    leaf?.subjectAltName,
    `URI:${serverUri}, DNS:warren.example.org, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1`,
  );
  assert.equal(ca?.toString(), new X509Certificate(authority.caPem).toString());
  assert.ok(ca?.ca);
  assert.ok(leaf?.verify(ca.publicKey));
});

test('keys outlive the process, so pins do too', async () => {
  const keys = createMemoryKeys();
  const first = await open(keys);
  const second = await open(keys);
  assert.equal(second.caPem, first.caPem);
  assert.equal(second.caPin, first.caPin);
  assert.equal(second.serverPin, first.serverPin);
});

test('a lost or foreign key is an error, never a new authority', async () => {
  for (const name of ['ca.crt', 'ca.key', 'server.key']) {
    const keys = createMemoryKeys();
    await open(keys);
    keys.secrets.delete(name);
    await assert.rejects(open(keys), { code: 'state-corrupt' });
  }
  const keys = createMemoryKeys();
  await open(keys);
  const other = createMemoryKeys();
  await open(other);
  keys.secrets.set('ca.key', other.secrets.get('ca.key') ?? '');
  await assert.rejects(open(keys), { code: 'state-corrupt' });
});

test('a certificate of another authority with the same name is not ours', async () => {
  const [ours, theirs] = [await open(), await open()];
  const issued = theirs.issueHostCertificate({ hostId, csrPem: buildCsr('P-256').csr, now });
  assert.equal(ours.hasSigned(new X509Certificate(issued.pem)), false);
});

test('serial numbers are positive and 16 bytes long, whatever the random bytes are', async () => {
  const keys = createMemoryKeys();
  await open(keys);
  const csrPem = buildCsr('P-256').csr;
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 16, maxLength: 16 }), async (bytes) => {
      const authority = await loadOrCreateAuthority({ keys, clock, random: () => Buffer.from(bytes) });
      const { serial, pem } = authority.issueHostCertificate({ hostId, csrPem, now });
      assert.match(serial, /^[4-7][0-9a-f]{31}$/);
      assert.equal(new X509Certificate(pem).serialNumber.toLowerCase(), serial);
    }),
    { numRuns: 50 },
  );
});

test('the CA key signs nothing for keys of other kinds', async () => {
  const authority = await open();
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const { csr } = buildCsr('P-256', { key: privateKey });
  assert.throws(() => authority.issueHostCertificate({ hostId, csrPem: csr, now }), { code: 'csr-invalid' });
});

import assert from 'node:assert/strict';
import { X509Certificate, createPublicKey, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { successorOf } from '../../../agent/server-ca.ts';
import { loadOrCreateAuthority } from '../../../server/pki/authority.ts';
import { buildCertificate, spkiOf } from '../../../server/pki/certificate.ts';
import type { Keyring } from '../../../server/pki/keyring.ts';
import { createSigner } from '../../../server/pki/signer.ts';
import { createCa, privatePem, readFormers, succeed } from '../../../server/pki/succession.ts';
import type { HostId } from '../../../shared/names.ts';
import { buildCsr } from './csr-builder.ts';
import { createMemoryKeys } from './memory-keys.ts';

const now = Date.UTC(2026, 10, 24, 12);
const clock = { now: () => now };
const names = { dnsNames: [], addresses: ['127.0.0.1'] };

const first = (): Keyring => {
  const { pem, key } = createCa(now, randomBytes);
  return { caPem: pem, caKeyPem: privatePem(key), serverKeyPem: privatePem(key), formerPem: '' };
};
/** What a server with these keys shows in a handshake. */
const shownBy = (keyring: Keyring): X509Certificate[] =>
  createSigner(keyring, clock, randomBytes)
    .serverCredentials(names)
    .cert.split(/(?<=-----END CERTIFICATE-----\n)/)
    .map((pem) => new X509Certificate(pem));
const follow = (from: Keyring, shown: readonly X509Certificate[]): string | undefined => {
  const [leaf, ...rest] = shown;
  return leaf && successorOf(new X509Certificate(from.caPem), leaf, rest)?.toString();
};
const isSame = (pem: string | undefined, keyring: Keyring): boolean =>
  pem === new X509Certificate(keyring.caPem).toString();

test('who trusts a CA finds the one in force, however many came in between', () => {
  const all = [first()];
  for (let i = 0; i < 3; i += 1) all.push(succeed(all.at(-1) ?? first(), now + i * 1000, randomBytes));
  const last = all.at(-1) ?? first();
  for (const one of all) assert.ok(isSame(follow(one, shownBy(last)), last));
  assert.throws(() => succeed(last, now, randomBytes), { code: 'conflict' });
});

test('a CA that nobody vouched for is not followed, and neither is one that a later CA vouches for', () => {
  const old = first();
  const next = succeed(old, now, randomBytes);
  assert.equal(follow(first(), shownBy(next)), undefined);
  assert.equal(follow(next, shownBy(old)), undefined);
  assert.equal(follow(old, shownBy({ ...next, formerPem: '' })), undefined);
  const stranger = first();
  assert.equal(follow(old, shownBy({ ...stranger, formerPem: next.formerPem })), undefined);
});

test('a host cannot vouch for a CA with its own certificate, which is no authority', () => {
  const old = first();
  const { csr, privateKey } = buildCsr('P-256');
  const spec = { hostId: 'habcdefghijklmn23' as HostId, csrPem: csr, now };
  const proof = createSigner(old, clock, randomBytes).issueHostCertificate(spec).pem;
  const [subject, spki] = [new X509Certificate(proof).subject.replace(/^CN=/, ''), spkiOf(createPublicKey(privateKey))];
  const own = { usage: 'authority', serial: '41', issuer: subject, subject, spki, issuerSpki: spki } as const;
  const times = { notBefore: now, notAfter: now + 86_400_000 };
  const caPem = buildCertificate({ ...own, ...times, uris: [], dnsNames: [], addresses: [] }, privateKey);
  const posing = { ...old, caPem, caKeyPem: privatePem(privateKey), formerPem: proof + old.caPem };
  assert.ok(isSame(follow(posing, shownBy(posing)), posing));
  assert.equal(follow(old, shownBy(posing)), undefined);
});

test('any order of what is shown leads to the same CA, and anything left out to that one or none', () => {
  const old = first();
  const last = succeed(succeed(old, now, randomBytes), now + 1000, randomBytes);
  const [leaf, ...rest] = shownBy(last);
  assert.ok(leaf);
  fc.assert(
    fc.property(fc.shuffledSubarray(rest), (shown) => {
      const found = follow(old, [leaf, ...shown]);
      return isSame(found, last) || (found === undefined && shown.length < rest.length);
    }),
  );
});

test('the old key is gone, its CA and what that signed go on until they are retired', async () => {
  const keys = createMemoryKeys();
  const authority = await loadOrCreateAuthority({ keys, clock, random: randomBytes });
  const { csr } = buildCsr('P-256');
  const issue = (): X509Certificate =>
    new X509Certificate(
      authority.issueHostCertificate({ hostId: 'habcdefghijklmn23' as HostId, csrPem: csr, now }).pem,
    );
  const before = issue();
  const oldPin = authority.caPin;
  const old: Keyring = {
    caPem: keys.secrets.get('ca.crt') ?? '',
    caKeyPem: keys.secrets.get('ca.key') ?? '',
    serverKeyPem: keys.secrets.get('server.key') ?? '',
    formerPem: keys.secrets.get('ca.former') ?? '',
  };
  const next = succeed(old, now, randomBytes);
  assert.ok(!Object.values(next).some((part) => part.includes(old.caKeyPem)));
  let changes = 0;
  authority.onChange(() => (changes += 1));
  authority.use(next);
  assert.ok(authority.hasSigned(before));
  assert.ok(authority.hasSigned(issue()));
  assert.deepEqual(
    authority.formers.map(({ pin, succeededAt }) => [pin, succeededAt]),
    [[oldPin, now]],
  );
  authority.use({ ...next, formerPem: '' });
  assert.ok(!authority.hasSigned(before));
  assert.equal(changes, 2);
});

test('former CAs that do not belong to what follows are not read', () => {
  const next = succeed(first(), now, randomBytes);
  const [proof = ''] = next.formerPem.split(/(?<=-----END CERTIFICATE-----\n)/);
  assert.throws(() => readFormers(proof));
  assert.throws(() => readFormers(proof + first().caPem));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Pairing, answerOffer, finishOffer, makeOffer } from '../../../agent/psk/kem.ts';
import { decodeWord, encodeWord, proofOf } from '../../../agent/psk/wire.ts';
import { presharedKeyId } from '../../../agent/system/preshared-key.ts';
import { Secret } from '../../../shared/secret.ts';
import { parsePublicKey } from '../../../shared/wireguard.ts';
import { publicKeyOf } from '../../support/mesh-map.ts';

const [offerer, answerer] = [parsePublicKey(publicKeyOf(1)), parsePublicKey(publicKeyOf(2))];
const pairing: Pairing = { offerer, answerer, transaction: Buffer.alloc(8, 1), pairKey: Buffer.alloc(32, 2) };

test('both come to the same 32 bytes, and to others where anything that was said or known differs', () => {
  const offer = makeOffer();
  const made = answerOffer(pairing, offer.publicKey);
  assert.ok(made !== undefined);
  const key = made.key.reveal();
  assert.equal(Buffer.from(key, 'base64').length, 32);
  assert.equal(finishOffer(pairing, offer, made.answer)?.reveal(), key);
  const others: Pairing[] = [
    { ...pairing, pairKey: Buffer.alloc(32, 3) },
    { ...pairing, transaction: Buffer.alloc(8, 9) },
    { ...pairing, offerer: answerer, answerer: offerer },
  ];
  for (const other of others) assert.notEqual(finishOffer(other, offer, made.answer)?.reveal(), key);
  const changed = Buffer.from(made.answer);
  changed.writeUInt8(changed.readUInt8(500) ^ 1, 500);
  assert.notEqual(finishOffer(pairing, offer, changed)?.reveal(), key);
  assert.notEqual(finishOffer(pairing, makeOffer(), made.answer)?.reveal(), key);
});

test('what is no key of ML-KEM is not answered', () => {
  assert.equal(answerOffer(pairing, Buffer.alloc(1184, 0xff)), undefined);
  assert.equal(answerOffer(pairing, Buffer.alloc(10)), undefined);
});

test('a word comes back as it was said, and one that names a key without having it is none', () => {
  const keys = [1, 2].map((n) => new Secret(Buffer.alloc(32, n).toString('base64')));
  const ids = keys.map((key) => presharedKeyId(key.reveal()));
  const proverOf = (transaction: Buffer) => (id: string) => {
    const key = keys[ids.findIndex((one) => one === id)];
    return key === undefined ? undefined : proofOf(key, transaction, offerer);
  };
  const choice = fc.constantFrom(undefined, ...ids);
  const held = fc.option(fc.record({ id: choice }, { noNullPrototype: true }), { nil: undefined });
  const ticket = fc.option(fc.constant(Buffer.alloc(8, 7)), { nil: undefined });
  fc.assert(
    fc.property(choice, held, ticket, (set, second, given) => {
      const spoken = { word: { set, held: second }, ticket: given };
      const bytes = encodeWord(spoken, proverOf(Buffer.alloc(8, 1)));
      assert.deepEqual(decodeWord(bytes, proverOf(Buffer.alloc(8, 1))), spoken);
      const isNaming = set !== undefined || second?.id !== undefined;
      // Of another question: a proof is for one alone.
      assert.equal(decodeWord(bytes, proverOf(Buffer.alloc(8, 2))) === undefined, isNaming);
    }),
  );
  assert.equal(
    decodeWord(Buffer.alloc(63), () => undefined),
    undefined,
  );
});

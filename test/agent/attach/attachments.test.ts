import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Attachments, openAttachments } from '../../../agent/attach/attachments.ts';
import { type NamespaceProbe, parseTarget } from '../../../agent/attach/target.ts';
import { systemClock } from '../../../agent/clock.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { parseInterfaceName } from '../../../shared/names.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';

const lease = [parseCidr('10.210.1.0/24'), parseCidr('fd00:1::/64')];
const eth0 = parseInterfaceName('eth0');

function machine() {
  const present = new Map<string, { namespace: string; startedAt: string | undefined }>();
  const probe: NamespaceProbe = {
    look: ({ text }) => {
      const found = present.get(text);
      return Promise.resolve(found === undefined ? { kind: 'missing' } : { kind: 'present', ...found });
    },
    own: () => Promise.resolve('own'),
  };
  let saved: string | undefined;
  const open = (): Attachments =>
    openAttachments({
      clock: systemClock,
      probe,
      seed: 'default/warren-br',
      saved,
      save: (json) => {
        saved = json;
        return Promise.resolve();
      },
    });
  const add = (text: string, namespace = text, startedAt?: string): void =>
    void present.set(text, { namespace, startedAt });
  return { present, add, open };
}

const attach = (book: Attachments, text: string, leases = lease) => book.attach(parseTarget(text), eth0, leases);
const codeIs = (code: string) => (error: unknown) => error instanceof WarrenError && error.code === code;

test('attaching many at once gives each its own address, and the same again', async () => {
  const { add, open } = machine();
  const book = open();
  const names = Array.from({ length: 50 }, (_, i) => `netns:c${i}`);
  names.forEach((name) => add(name));
  const slots = await Promise.all(names.map(async (name) => (await attach(book, name)).slot));
  assert.equal(new Set(slots).size, 50);
  assert.equal((await attach(book, 'netns:c7')).slot, slots[7]);
});

test('a restarted agent keeps every address and gives none twice', async () => {
  const { add, open } = machine();
  ['netns:a', 'netns:b', 'netns:c'].forEach((name) => add(name));
  const book = open();
  const a = await attach(book, 'netns:a');
  const b = await attach(book, 'netns:b');
  await book.detach('netns:b');
  const again = open();
  await again.refresh(lease);
  const c = await attach(again, 'netns:c');
  assert.equal((await attach(again, 'netns:a')).slot, a.slot);
  assert.ok(c.slot !== b.slot && c.slot !== a.slot);
});

test('a namespace that is missing waits, and is wanted again when it is back', async () => {
  const { add, present, open } = machine();
  const book = open();
  add('netns:a');
  const { slot } = await attach(book, 'netns:a');
  present.delete('netns:a');
  assert.equal(await book.refresh(lease), true);
  assert.deepEqual(book.specs(lease), []);
  add('netns:a', 'another inode');
  assert.equal(await book.refresh(lease), true);
  assert.equal(book.specs(lease).length, 1);
  assert.equal(book.list()[0]?.slot, slot);
  assert.equal(await book.refresh(lease), false);
});

test('a process that ended frees its address, also when its number is another process now', async () => {
  const { add, open } = machine();
  const book = open();
  add('pid:7', 'n7', '100');
  await attach(book, 'pid:7');
  add('pid:7', 'n8', '200');
  await book.refresh(lease);
  assert.deepEqual(book.list(), []);
});

test('another lease gives the same place in it, and a place that is too far another one', async () => {
  const { add, open } = machine();
  const book = open();
  for (let i = 0; i < 20; i += 1) {
    add(`netns:c${i}`);
    await attach(book, `netns:c${i}`);
  }
  const moved = [parseCidr('10.99.0.0/28')];
  await book.detach('netns:c3');
  for (let i = 4; i < 12; i += 1) await book.detach(`netns:c${i}`);
  await book.refresh(moved);
  const addresses = book.specs(moved).map((spec) => spec.addresses[0]?.address);
  assert.equal(addresses.length, 11);
  assert.equal(new Set(addresses).size, 11);
  assert.equal(addresses[0], '10.99.0.2');
});

test("the host's own namespace and one that is attached by another name are refused", async () => {
  const { add, open } = machine();
  const book = open();
  add('netns:host', 'own');
  add('netns:a', 'same');
  add('pid:9', 'same', '1');
  await attach(book, 'netns:a');
  await assert.rejects(attach(book, 'netns:host'), codeIs('attachment-conflict'));
  await assert.rejects(attach(book, 'pid:9'), codeIs('attachment-conflict'));
  await assert.rejects(attach(book, 'netns:gone'), codeIs('attachment-target-missing'));
});

test('targets are read strictly', () => {
  assert.equal(parseTarget('netns:web-1').netnsPath, '/run/netns/web-1');
  assert.equal(parseTarget('netns:/run/docker/netns/ab12').netnsPath, '/run/docker/netns/ab12');
  assert.equal(parseTarget('pid:12').netnsPath, '/proc/12/ns/net');
  for (const wrong of [
    'web',
    'netns:',
    'netns:-x',
    'netns:../x',
    'netns:/a/../b',
    'netns:/a b',
    'pid:0',
    'pid:-1',
    'pid:1x',
    'docker:web',
  ]) {
    assert.throws(() => parseTarget(wrong), codeIs('usage-invalid'), wrong);
  }
});

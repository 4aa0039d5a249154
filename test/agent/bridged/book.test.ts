import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MemberBook, openMembers } from '../../../agent/bridged/book.ts';
import { nameMembers } from '../../../agent/bridged/names.ts';
import { parseFixedTarget } from '../../../agent/attach/target.ts';
import { systemClock } from '../../../agent/clock.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { parseInterfaceName } from '../../../shared/names.ts';
import { parseInterfaceAddress } from '../../../shared/net/interface-address.ts';
import { parseSegmentName } from '../../../shared/workload.ts';
import { createFakeTargets } from '../../support/fake-targets.ts';

function machine() {
  const { probe, add, remove } = createFakeTargets();
  let saved: string | undefined;
  const save = (json: string): Promise<void> => {
    saved = json;
    return Promise.resolve();
  };
  const open = (): MemberBook => openMembers({ clock: systemClock, probe, seed: 'default', saved, save });
  return { add, remove, open };
}

const join = (book: MemberBook, text: string, segment: string, interfaceName = 'eth1', ...addresses: string[]) =>
  book.attach(parseFixedTarget(text), {
    segment: parseSegmentName(segment),
    interfaceName: parseInterfaceName(interfaceName),
    addresses: addresses.map(parseInterfaceAddress),
  });
const codeIs = (code: string) => (error: unknown) => error instanceof WarrenError && error.code === code;

test('a member is told to the mesh without addresses, and has inside those it was given', async () => {
  const { add, open } = machine();
  add('netns:web');
  const book = open();
  await join(book, 'netns:web', 'lan', 'eth1', '192.168.5.2/24', 'fd00:5::2/64');
  assert.deepEqual(
    nameMembers(book.members()).map(({ name, segment, addresses }) => [name, segment, addresses]),
    [['web-lan', 'lan', []]],
  );
  const [spec] = book.specs();
  assert.deepEqual(spec?.addresses, [
    { address: '192.168.5.2', lease: '192.168.5.0/24' },
    { address: 'fd00:5::2', lease: 'fd00:5::/64' },
  ]);
  assert.deepEqual([spec.segment, spec.gateways], ['lan', []]);
});

test('the same container is in several segments, each with a link of its own', async () => {
  const { add, open } = machine();
  add('netns:web');
  const book = open();
  await join(book, 'netns:web', 'lan');
  await join(book, 'netns:web', 'lan2', 'eth2');
  assert.equal(new Set(book.specs().map(({ id }) => id)).size, 2);
  assert.equal(new Set(book.specs().map(({ mac }) => mac)).size, 2);
  await assert.rejects(join(book, 'netns:web', 'lan3', 'eth2'), codeIs('attachment-conflict'));
  assert.equal(await book.detach('netns:web', parseSegmentName('lan')), true);
  assert.deepEqual(
    book.list().map(({ segment }) => segment),
    ['lan2'],
  );
});

test('attaching again is the same, in another way a conflict, and the host itself is refused', async () => {
  const { add, open } = machine();
  add('netns:web');
  add('pid:1', 'own');
  const book = open();
  const first = await join(book, 'netns:web', 'lan', 'eth1', '10.1.0.1/24');
  assert.deepEqual(await join(book, 'netns:web', 'lan', 'eth1', '10.1.0.1/24'), first);
  await assert.rejects(join(book, 'netns:web', 'lan', 'eth1', '10.1.0.9/24'), codeIs('attachment-conflict'));
  await assert.rejects(join(book, 'pid:1', 'lan'), codeIs('attachment-conflict'));
  await assert.rejects(join(book, 'netns:none', 'lan'), codeIs('attachment-target-missing'));
  add('netns:/run/x/web', 'netns:web');
  await assert.rejects(join(book, 'netns:/run/x/web', 'lan', 'eth7'), codeIs('attachment-conflict'));
});

test('a restarted agent knows its members; a process that ended is none, a namespace that is missing waits', async () => {
  const { add, open, remove } = machine();
  add('netns:a');
  add('pid:77', 'p', '1000');
  const book = open();
  await join(book, 'netns:a', 'lan');
  await join(book, 'pid:77', 'lan');
  const again = open();
  assert.equal(await again.refresh(), true);
  assert.equal(again.specs().length, 2);
  assert.deepEqual(again.specs(), book.specs());
  add('pid:77', 'p2', '2000');
  remove('netns:a');
  assert.equal(await again.refresh(), true);
  assert.deepEqual(again.members(), []);
  assert.deepEqual(
    again.list().map(({ target }) => target.text),
    ['netns:a'],
  );
  add('netns:a');
  await again.refresh();
  assert.equal(again.members().length, 1);
  assert.equal(await again.refresh(), false);
});

test('names are labels, whatever the target is called, and no two are the same', () => {
  const segment = parseSegmentName('a'.repeat(31));
  const targets = ['pid:12', 'netns:Web.1', 'netns:/run/netns/web-1', 'netns:___', `netns:${'x-'.repeat(30)}y`];
  const names = nameMembers(targets.map((text) => ({ text: parseFixedTarget(text).text, segment }))).map(
    ({ name }) => name,
  );
  assert.equal(names[0], `pid-12-${segment}`);
  assert.equal(names[1], `web-1-${segment}`);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.ok(name.length <= 63);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Attachments, type Ground, openAttachments } from '../../../agent/attach/attachments.ts';
import { attachRequestSchema, checkRequest } from '../../../agent/attach/request.ts';
import { createSlots } from '../../../agent/attach/slots.ts';
import { attachmentId, specsOf } from '../../../agent/attach/spec.ts';
import { parseTarget } from '../../../agent/attach/target.ts';
import { systemClock } from '../../../agent/clock.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { parseInterfaceName } from '../../../shared/names.ts';
import { type Cidr, parseCidr } from '../../../shared/net/cidr.ts';
import { createFakeTargets } from '../../support/fake-targets.ts';

const lease = [parseCidr('10.210.1.0/24'), parseCidr('fd00:1::/64')];

function machine() {
  const { probe, add, remove } = createFakeTargets();
  let saved: string | undefined;
  let leases: readonly Cidr[] = lease;
  const ground = (): Ground => ({ leases, isBridged: (name) => name.startsWith('lan'), dhcpLease: () => undefined });
  const open = (): Attachments =>
    openAttachments({
      clock: systemClock,
      probe,
      slots: createSlots(),
      ground,
      saved,
      save: (json) => {
        saved = json;
        return Promise.resolve();
      },
    });
  return {
    add,
    remove,
    open,
    specs: (book: Attachments) => specsOf(book.list(), ground(), 'default/warren-br'),
    lease: (...to: Cidr[]) => (leases = to),
    keep: (text: string) => (saved = text),
    saved: () => saved,
  };
}

const attach = (book: Attachments, text: string, wish: object = {}) =>
  book.attach(parseTarget(text), attachRequestSchema.parse({ target: text, interface: 'eth0', ...wish }));
/** As the agent does it: gone from the kernel, then from the book. */
const detach = async (book: Attachments, text: string): Promise<void> => {
  await book.detach(text, {});
  await book.forget(book.list());
};
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
  await detach(book, 'netns:b');
  const again = open();
  await again.refresh();
  const c = await attach(again, 'netns:c');
  assert.equal((await attach(again, 'netns:a')).slot, a.slot);
  assert.ok(c.slot !== b.slot && c.slot !== a.slot);
});

test('a namespace that is missing waits, and is wanted again when it is back', async () => {
  const { add, remove, open, specs } = machine();
  const book = open();
  add('netns:a');
  const { slot } = await attach(book, 'netns:a');
  remove('netns:a');
  assert.equal(await book.refresh(), true);
  assert.deepEqual(specs(book), []);
  add('netns:a', 'another inode');
  assert.equal(await book.refresh(), true);
  assert.equal(specs(book).length, 1);
  assert.equal(book.list()[0]?.slot, slot);
  assert.equal(await book.refresh(), false);
});

test('a process that ended frees its address, also when its number is another process now', async () => {
  const { add, open } = machine();
  const book = open();
  add('pid:7', 'n7', '100');
  await attach(book, 'pid:7');
  add('pid:7', 'n8', '200');
  await book.refresh();
  assert.deepEqual(book.list(), []);
});

test('another lease gives the same place in it, and a place that is too far another one', async () => {
  const { add, open, specs, lease: move } = machine();
  const book = open();
  for (let i = 0; i < 20; i += 1) {
    add(`netns:c${i}`);
    await attach(book, `netns:c${i}`);
  }
  await detach(book, 'netns:c3');
  for (let i = 4; i < 12; i += 1) await detach(book, `netns:c${i}`);
  move(parseCidr('10.99.0.0/28'));
  await book.refresh();
  const addresses = specs(book).map((spec) => spec.addresses[0]?.address);
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
  const pathOf = (text: string): string | undefined => {
    const target = parseTarget(text);
    return target.kind === 'docker' ? undefined : target.netnsPath;
  };
  assert.equal(pathOf('netns:web-1'), '/run/netns/web-1');
  assert.equal(pathOf('netns:/run/docker/netns/ab12'), '/run/docker/netns/ab12');
  assert.equal(pathOf('pid:12'), '/proc/12/ns/net');
  assert.equal(parseTarget('docker:web_1.a').kind, 'docker');
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
    'docker:',
    'docker:-web',
    'docker:web/x',
  ]) {
    assert.throws(() => parseTarget(wrong), codeIs('usage-invalid'), wrong);
  }
});

test('several interfaces of one container are attached apart, and detached one by one or together', async () => {
  const { add, open, specs } = machine();
  const book = open();
  add('netns:a');
  await attach(book, 'netns:a');
  await attach(book, 'netns:a', { interface: 'eth1' });
  await attach(book, 'netns:a', { interface: 'eth2', ip: ['192.168.5.7/24@192.168.5.1'] });
  const [first, second, third] = specs(book);
  assert.notEqual(first?.id, second?.id);
  // One default route of each family: the one that was named, and the first interface's.
  assert.deepEqual(first?.gateways, ['fd00:1::1']);
  assert.deepEqual(second?.gateways, []);
  assert.deepEqual(third?.gateways, ['192.168.5.1']);
  assert.equal(await book.detach('netns:a', { interface: parseInterfaceName('eth1') }), 1);
  assert.deepEqual(
    specs(book).map(({ isLeaving }) => isLeaving === true),
    [false, true, false],
  );
  assert.equal(await book.detach('netns:a', {}), 2);
  await book.forget(book.list());
  assert.deepEqual(book.list(), []);
});

test('an address of the lease that was named is taken, and refused to the next', async () => {
  const { add, open, specs } = machine();
  const book = open();
  ['netns:a', 'netns:b', 'netns:c'].forEach((name) => add(name));
  await attach(book, 'netns:a', { ip: ['10.210.1.2/24'] });
  assert.deepEqual(specs(book)[0]?.gateways, ['10.210.1.1']);
  await assert.rejects(attach(book, 'netns:b', { ip: ['10.210.1.2/24'] }), codeIs('attachment-conflict'));
  await assert.rejects(attach(book, 'netns:b', { ip: ['10.210.1.1/24'] }), codeIs('attachment-conflict'));
  assert.notEqual((await attach(book, 'netns:b')).slot, 2);
  const { slot } = await attach(book, 'netns:c', { ip: ['0/0'] });
  assert.equal(slot, undefined);
  assert.deepEqual(specs(book)[2]?.addresses, []);
});

test('a bridged segment gives no address of the lease', async () => {
  const { add, open, specs } = machine();
  const book = open();
  add('netns:a');
  await attach(book, 'netns:a', { segment: 'lan1', ip: ['192.168.7.2/24'] });
  assert.deepEqual(
    specs(book).map(({ segment, addresses, gateways }) => ({ segment, addresses, gateways })),
    [{ segment: 'lan1', addresses: [{ address: '192.168.7.2', lease: '192.168.7.0/24' }], gateways: [] }],
  );
});

test('the book of an older agent is read, its links keep their names, and it is written in the new format', async () => {
  const { add, open, keep, saved, specs } = machine();
  const attachedAt = '2026-01-01T00:00:00.000Z';
  const one = { target: 'netns:a', slot: 7, interfaceName: 'eth3', startedAt: null, attachedAt };
  keep(JSON.stringify({ format: 1, nextSlot: 8, attachments: [one] }));
  add('netns:a');
  const book = open();
  await book.refresh();
  assert.equal(specs(book)[0]?.addresses[0]?.address, '10.210.1.7');
  assert.equal(attachmentId({ linkKey: 'netns:a' }, 'default/warren-br'), specs(book)[0]?.id);
  add('netns:b');
  await attach(book, 'netns:b');
  assert.equal((JSON.parse(saved() ?? '') as { format: number }).format, 2);
  assert.deepEqual(
    open()
      .list()
      .map(({ slot }) => slot),
    [7, 8],
  );
});

test('what makes no sense together is refused with the name of the field', () => {
  const refused = (wish: object): string | undefined => {
    try {
      checkRequest(attachRequestSchema.parse({ target: 'netns:a', interface: 'eth0', ...wish }));
      return undefined;
    } catch (error) {
      return error instanceof WarrenError ? error.field : String(error);
    }
  };
  const bridge = { kind: 'bridge', bridge: 'br0' };
  assert.equal(refused({ place: bridge, ip: ['0/0'] }), undefined);
  assert.equal(refused({ place: bridge, segment: 'blue' }), 'segment');
  assert.equal(refused({ place: { kind: 'direct', card: 'eth1' }, mac: '02:00:00:00:00:01' }), 'mac');
  assert.equal(refused({ place: { kind: 'card', card: 'eth1', mode: 'ipvlan' }, mac: '02:00:00:00:00:01' }), 'mac');
  assert.equal(refused({ ip: ['0/0', '10.0.0.1/8'] }), 'ip');
});

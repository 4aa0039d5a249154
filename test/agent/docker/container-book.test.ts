import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container } from '../../../agent/docker/api.ts';
import { type ContainerBook, createContainerBook } from '../../../agent/docker/container-book.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { container, engineWith, idOf } from './support.ts';

interface Watched {
  readonly book: ContainerBook;
  /** What was told, oldest first. */
  readonly told: string[];
}

function watch(): Watched {
  const told: string[] = [];
  const book = createContainerBook({
    own: () => [parseCidr('10.210.1.0/24')],
    onWorkloads: (list) => told.push(list.map(({ name, addresses }) => `${name} ${addresses.join()}`).join('; ')),
  });
  return { book, told };
}

const event = (Action: string, name: string) => ({ Type: 'container', Action, Actor: { ID: idOf(name) } });

test('a death that is heard takes the names away before the engine is asked', async () => {
  const { book, told } = watch();
  await book.look(engineWith([container({ name: 'a' })]), []);
  assert.equal(book.hear(event('die', 'a')), true);
  assert.deepEqual(told, ['a 10.210.1.128', '']);
});

test('a container that died while it was being looked at is not there after the next look', async () => {
  const { book, told } = watch();
  let running: readonly Container[] = [container({ name: 'a' })];
  await book.look(
    engineWith(() => running),
    [],
  );
  running = [];
  await book.look(
    engineWith(() => running),
    [],
  );
  assert.equal(told.at(-1), '');
  assert.equal(book.count(), 0);
});

test('a container is inspected when something happened to it, and all of them after what nobody heard', async () => {
  const { book, told } = watch();
  let address = '10.210.1.130';
  const engine = engineWith(() => [container({ name: 'a', address })]);
  await book.look(engine, []);
  address = '10.210.1.131';
  book.hear(event('start', 'a'));
  await book.look(engine, []);
  address = '10.210.1.132';
  book.forget();
  await book.look(engine, []);
  assert.deepEqual(told, ['a 10.210.1.130', 'a 10.210.1.131', 'a 10.210.1.132']);
});

test('a container on no network of the mesh costs no inspection', async () => {
  const { book } = watch();
  await book.look(engineWith([container({ name: 'a', address: '172.17.0.2', network: 'bridge' })]), []);
  assert.deepEqual([book.count(), book.addresses()], [0, []]);
});

test('a name that is no name of a container is never asked for', async () => {
  await assert.rejects(watch().book.resolve(engineWith([]), '../networks'), /no container name/);
});

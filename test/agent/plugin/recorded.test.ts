import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Drivers, type Recorded, readRecording } from './support.ts';

const engines = ['20.10', '28.5'];

const isEmpty = ({ book, ports }: { book: Drivers['book']; ports: string[] }): void => {
  const { networks, endpoints, reserved } = book.read();
  assert.deepEqual([networks.size, endpoints.size, reserved.size, ports], [0, 0, 0, []]);
};

for (const engine of engines) {
  test(`what Docker ${engine} asked is answered as it was, and nothing stays when all is removed`, async () => {
    const drivers = new Drivers();
    for (const { method, body, reply } of readRecording(engine)) {
      assert.deepEqual(await drivers.call(method, body), reply, method);
    }
    isEmpty({ book: drivers.book, ports: drivers.ports() });
  });

  test(`an agent that dies between any two calls of Docker ${engine}, or hears them twice, ends with nothing left`, async () => {
    const drivers = new Drivers();
    const given = new Map<string, string>();
    for (const recorded of readRecording(engine)) {
      drivers.restart();
      const body = translate(recorded.body, given);
      const reply = await drivers.call(recorded.method, body);
      drivers.restart();
      if (isRepeatable(recorded)) assert.deepEqual(await drivers.call(recorded.method, body), reply, recorded.method);
      const hasFailed = 'Err' in reply || 'Error' in reply;
      assert.equal(
        hasFailed,
        'Err' in recorded.reply || 'Error' in recorded.reply,
        `${recorded.method} ${JSON.stringify(reply)}`,
      );
      const [was, is] = [recorded.reply['Address'], reply['Address']];
      if (typeof was === 'string' && typeof is === 'string') given.set(bare(was), bare(is));
      assertUnique(drivers);
    }
    isEmpty({ book: drivers.book, ports: drivers.ports() });
  });
}

const bare = (address: string): string => address.replace(/\/\d+$/, '');

/** An address that is asked for without saying which would be another one the second time. */
const isRepeatable = ({ method, body }: Recorded): boolean =>
  method !== 'IpamDriver.RequestAddress' || (body as { Address?: string }).Address !== '';

/** The engine would have gone on with the address that it was given this time. */
function translate(body: unknown, given: ReadonlyMap<string, string>): unknown {
  if (typeof body === 'string')
    return given.has(bare(body)) ? body.replace(bare(body), given.get(bare(body)) ?? '') : body;
  if (Array.isArray(body)) return body.map((one) => translate(one, given));
  if (typeof body !== 'object' || body === null) return body;
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, translate(value, given)]));
}

function assertUnique({ book }: Drivers): void {
  const all = [...book.read().endpoints.values()].flatMap(({ addresses }) => addresses);
  assert.equal(new Set(all).size, all.length, all.join(' '));
}

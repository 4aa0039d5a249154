import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from '../../../agent/plugin/book.ts';
import { type EngineView, collect, noSuspects } from '../../../agent/plugin/collect.ts';
import { parseAddress } from '../../../shared/net/address.ts';

const address = parseAddress('10.210.1.7');
const page: Page = {
  networks: new Map([['n1', { id: 'n1', segment: null }]]),
  endpoints: new Map([['e1', { id: 'e1', networkId: 'n1', addresses: [address], mac: '02:00:00:00:00:01' }]]),
  reserved: new Set([address, parseAddress('10.210.1.9')]),
};
const nothing: EngineView = { networks: [] };
const all: EngineView = {
  networks: [
    {
      id: 'n1',
      isOurs: true,
      segment: undefined,
      endpoints: [{ id: 'e1', mac: '02:00:00:00:00:01', addresses: ['10.210.1.7/24'] }],
      extra: ['10.210.1.9'],
    },
  ],
};

test('what the engine has is left as it is', () => {
  assert.equal(collect(page, all, noSuspects).page, page);
});

test('what the engine does not know of goes at the second look, not at the first', () => {
  const first = collect(page, nothing, noSuspects);
  assert.equal(first.page, page);
  const second = collect(page, nothing, first.suspects);
  assert.deepEqual([second.page.networks.size, second.page.endpoints.size, second.page.reserved.size], [0, 0, 0]);
  assert.deepEqual(second.removedEndpoints, ['e1']);
});

test('what came back in between stays', () => {
  const { suspects } = collect(page, nothing, noSuspects);
  const back = collect(page, all, suspects);
  assert.equal(collect(page, nothing, back.suspects).page, page);
});

test('a book that was lost is made anew of what the engine has, segment and all', () => {
  const empty: Page = { networks: new Map(), endpoints: new Map(), reserved: new Set() };
  const view: EngineView = { networks: all.networks.map((one) => ({ ...one, segment: 'blue' })) };
  const { page: made } = collect(empty, view, noSuspects);
  assert.equal(made.networks.get('n1')?.segment, 'blue');
  assert.deepEqual(made.endpoints.get('e1')?.addresses, [address]);
});

test("addresses that another driver's network has from here stay reserved, and give no endpoint", () => {
  const view: EngineView = { networks: all.networks.map((one) => ({ ...one, isOurs: false })) };
  const first = collect(page, view, noSuspects);
  const { page: next } = collect(page, view, first.suspects);
  assert.deepEqual([next.endpoints.size, next.reserved.size], [0, 2]);
});

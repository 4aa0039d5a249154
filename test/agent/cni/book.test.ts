import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSlots } from '../../../agent/attach/slots.ts';
import { openCniBook } from '../../../agent/cni/book.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';

const entry = {
  owner: { network: 'mesh', containerId: 'c1', interface: 'eth0' },
  netns: '/run/netns/n1',
  namespace: 'net:[1]',
  slot: 2,
  addresses: ['10.210.1.2'],
  mac: '02:00:00:00:00:02',
  name: 'web',
  services: [],
  segment: null,
};

const specsOf = (saved: object) =>
  openCniBook({
    saved: JSON.stringify({ format: 1, entries: [saved] }),
    save: () => Promise.resolve(),
    slots: createSlots(),
    leases: () => [parseCidr('10.210.1.0/24')],
    probe: { look: () => Promise.resolve({ kind: 'missing' }), own: () => Promise.resolve('net:[0]') } as never,
    seed: 'default',
  }).specs();

test('what an earlier agent saved has its default route through the mesh', () => {
  const [spec] = specsOf(entry);
  assert.deepEqual([spec?.gateways, spec?.meshGateways], [['10.210.1.1'], undefined]);
});

test('one that is not the default gateway has ways to the mesh alone', () => {
  const [spec] = specsOf({ ...entry, isDefaultGateway: false });
  assert.deepEqual([spec?.gateways, spec?.meshGateways], [[], ['10.210.1.1']]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEntries } from '../../../agent/system/bridge.ts';
import { parseLinks } from '../../../agent/system/ip.ts';

test('entries of a VXLAN device are those with a destination, not the bridge’s own', () => {
  const json = `[{"mac":"5a:42:d4:5b:0a:99","flags":[],"master":"wb-5","state":"permanent"},
    {"mac":"02:00:00:00:00:07","flags":[],"master":"wb-5","state":""},
    {"mac":"02:00:00:00:00:07","dst":"10.86.0.3","flags":["self"],"state":""},
    {"mac":"00:00:00:00:00:00","dst":"fd00:86::2","flags":["self"],"state":"permanent"}]`;
  assert.deepEqual(parseEntries(json), [
    { mac: '02:00:00:00:00:07', address: '10.86.0.3' },
    { mac: '00:00:00:00:00:00', address: 'fd00:86::2' },
  ]);
  assert.deepEqual(parseEntries(''), []);
});

test('a VXLAN device is read with its number, port, address and tunnel', () => {
  const link = { ifindex: 5, ifname: 'wx-5', flags: ['UP'], mtu: 1370, addr_info: [] };
  const read = (data: unknown) =>
    parseLinks(JSON.stringify([{ ...link, linkinfo: { info_kind: 'vxlan', info_data: data } }])).get('wx-5')?.vxlan;
  assert.deepEqual(read({ id: 5, local: '10.86.0.1', link: 'warren0', port: 4789, learning: true }), {
    vni: 5,
    port: 4789,
    local: '10.86.0.1',
    device: 'warren0',
  });
  assert.deepEqual(read({ id: 5, local6: 'fd00:86::1', port: 4789 }), {
    vni: 5,
    port: 4789,
    local: 'fd00:86::1',
    device: undefined,
  });
  assert.equal(read({ external: true, port: 4789 }), undefined);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAddressNews } from '../../../agent/system/monitor.ts';
import { settingsOf } from '../../support/agent-fixture.ts';

test("an address that came, went or came back is news; one that was renewed, or is a container's or our own, is none", () => {
  const isNews = createAddressNews(settingsOf(1));
  const here = '3: eth0    inet 192.0.2.7/24 brd 192.0.2.255 scope global eth0';
  assert.deepEqual([here, here, `Deleted ${here}`, here].map(isNews), [true, false, true, true]);
  assert.equal(isNews('4: wlan0    inet6 2001:db8::7/64 scope global dynamic'), true);
  for (const line of [
    '',
    '       valid_lft forever preferred_lft forever',
    '9: warren0    inet 10.86.0.1/32 scope global warren0',
    '7: docker0    inet 172.17.0.1/16 scope global docker0',
    '5: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP group default',
    'default via 192.0.2.1 dev eth0',
  ])
    assert.equal(isNews(line), false, line);
});

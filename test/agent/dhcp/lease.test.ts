import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { clientArgv } from '../../../agent/dhcp/client.ts';
import { hookText, readLastAddress, readLease } from '../../../agent/dhcp/lease.ts';
import { parseInterfaceName } from '../../../shared/names.ts';

const folder = mkdtempSync(join(tmpdir(), 'warren-dhcp-'));
const hook = join(folder, 'hook');
const file = join(folder, 'x.lease');
writeFileSync(hook, hookText, { mode: 0o700 });
after(() => rmSync(folder, { recursive: true }));

/** As udhcpc calls it: through the kernel, by its first line. */
function tell(what: string, env: Record<string, string>): void {
  execFileSync(hook, [what], { env: { PATH: process.env['PATH'] ?? '', WARREN_LEASE: file, ...env } });
}

test('what the hook writes of a lease is what the agent reads', () => {
  tell('bound', { ip: '192.168.5.7', mask: '24', router: '192.168.5.1 192.168.5.2' });
  assert.deepEqual(readLease(readFileSync(file, 'utf8')), {
    address: '192.168.5.7',
    network: '192.168.5.0/24',
    gateway: '192.168.5.1',
  });
  assert.equal(readLastAddress(readFileSync(`${file}.last`, 'utf8')), '192.168.5.7');
});

test('a lease without a router or a mask is one address alone', () => {
  tell('renew', { ip: '10.0.0.9' });
  assert.deepEqual(readLease(readFileSync(file, 'utf8')), {
    address: '10.0.0.9',
    network: '10.0.0.9/32',
    gateway: undefined,
  });
});

test('with the lease its file goes, and the last address stays', () => {
  tell('deconfig', {});
  assert.equal(existsSync(file), false);
  tell('leasefail', {});
  tell('nak', {});
  assert.equal(readLastAddress(readFileSync(`${file}.last`, 'utf8')), '10.0.0.9');
});

test('what no interface can have is no lease', () => {
  for (const address of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', 'fd00::1', '10.0.0.1; reboot', '']) {
    assert.equal(readLease(`address=${address}\nlength=24\ngateway=\n`), undefined, address);
  }
  assert.equal(readLease('address=10.0.0.1\nlength=33\ngateway=\n'), undefined);
  assert.equal(readLease('address=10.0.0.1\nlength=0\ngateway=\n'), undefined);
  assert.equal(readLease('address=10.0.0.1\nlength=24\ngateway=127.0.0.1\n')?.gateway, undefined);
});

test('no text makes reading throw, and what is read is made of plain addresses', () => {
  const line = fc
    .tuple(fc.constantFrom('address=', 'length=', 'gateway=', ''), fc.string())
    .map((pair) => pair.join(''));
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const lease = readLease(lines.join('\n'));
      if (lease !== undefined) assert.match(`${lease.address} ${lease.network} ${lease.gateway ?? ''}`, /^[0-9./ ]+$/);
    }),
  );
});

test('the client runs in the namespace, outlives the agent, and tells a shared MAC address apart by an id', () => {
  const wish = {
    id: 'abc1',
    netnsPath: '/run/netns/web',
    namespace: '4:1',
    interfaceName: parseInterfaceName('eth1'),
    isMacShared: false,
  };
  const paths = { folder: '/run/w/dhcp', hook: '/var/w/hook', last: undefined };
  const argv = clientArgv(['busybox', 'udhcpc'], wish, paths).join(' ');
  assert.equal(
    argv,
    'setsid --fork env WARREN_LEASE=/run/w/dhcp/abc1.lease nsenter --net=/run/netns/web busybox udhcpc ' +
      '-f -R -t 4 -T 1 -A 3 -i eth1 -s /var/w/hook -p /run/w/dhcp/abc1.pid',
  );
  const shared = clientArgv(['udhcpc'], { ...wish, isMacShared: true }, { ...paths, last: '10.0.0.9' }).join(' ');
  assert.match(shared, / -B -C -x 0x3d:0061626331 -r 10\.0\.0\.9$/);
});

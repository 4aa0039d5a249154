import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Drivers } from './support.ts';

const pool = '10.210.1.0/24';
const gateway = `10.210.1.1/24`;
const network = { NetworkID: 'n1', Options: {}, IPv4Data: [{ Pool: '0.0.0.0/0', Gateway: gateway }], IPv6Data: null };
const endpoint = (id: string, address: string) => ({
  NetworkID: 'n1',
  EndpointID: id,
  Interface: { Address: `${address}/24`, AddressIPv6: '', MacAddress: '' },
});
const ids = (id: string) => ({ NetworkID: 'n1', EndpointID: id });

async function withNetwork(): Promise<Drivers> {
  const drivers = new Drivers();
  assert.deepEqual(await drivers.call('NetworkDriver.CreateNetwork', network), {});
  return drivers;
}
const addressOf = (reply: Record<string, unknown>): string => String(reply['Address']).replace(/\/\d+$/, '');
const request = (drivers: Drivers, Address = '') =>
  drivers.call('IpamDriver.RequestAddress', { PoolID: pool, Address, Options: null });

test('the pool is the lease, whatever was asked for is refused with what to do', async () => {
  const drivers = new Drivers();
  const ask = (Pool: string, V6 = false, SubPool = '') => drivers.call('IpamDriver.RequestPool', { Pool, SubPool, V6 });
  assert.deepEqual(await ask(''), { PoolID: pool, Pool: '0.0.0.0/0', Data: {} });
  assert.deepEqual(await ask('0.0.0.0/0'), { PoolID: pool, Pool: '0.0.0.0/0', Data: {} });
  assert.deepEqual(await ask(pool), { PoolID: pool, Pool: pool, Data: {} });
  assert.equal((await ask('', true))['Pool'], 'fd00:1:2:8001::/64');
  assert.equal((await ask(pool, false, '10.210.1.64/26'))['PoolID'], `${pool},10.210.1.64/26`);
  assert.match(
    String((await ask('10.9.0.0/24'))['Error']),
    /container subnet is 10\.210\.1\.0\/24.*leave --subnet out/,
  );
  assert.match(String((await ask(pool, false, '10.9.0.0/26'))['Error']), /--ip-range 10\.9\.0\.0\/26/);
});

test('the gateway is always the same and never an address of a container', async () => {
  const drivers = new Drivers();
  const Options = { RequestAddressType: 'com.docker.network.gateway' };
  const ask = (Address: string) => drivers.call('IpamDriver.RequestAddress', { PoolID: pool, Address, Options });
  assert.deepEqual(await ask(''), { Address: gateway, Data: {} });
  assert.deepEqual(await ask('10.210.1.1'), { Address: gateway, Data: {} });
  assert.match(String((await ask('10.210.1.9'))['Error']), /leave --gateway out/);
  assert.match(String((await request(drivers, '10.210.1.1'))['Error']), /not within/);
  assert.match(String((await request(drivers, '10.210.1.255'))['Error']), /not within/);
});

test('many asked at once get an address each, and none that something else on this host has', async () => {
  const drivers = new Drivers();
  for (let slot = 2; slot < 40; slot += 2) drivers.elsewhere.add(slot);
  const given = await Promise.all(Array.from({ length: 60 }, async () => addressOf(await request(drivers))));
  assert.equal(new Set(given).size, 60);
  for (const address of given) assert.ok(!drivers.elsewhere.has(Number(address.split('.')[3])), address);
});

test('both families of a container pair up, so that an address of each costs one place in the lease', async () => {
  const drivers = new Drivers();
  for (let i = 0; i < 20; i += 1) {
    await request(drivers);
    await drivers.call('IpamDriver.RequestAddress', { PoolID: 'fd00:1:2:8001::/64', Address: '', Options: null });
  }
  const slotOf = (address: string): number =>
    address.includes(':') ? parseInt(address.split(':').at(-1) ?? '', 16) : Number(address.split('.').at(-1));
  assert.equal(drivers.book.read().reserved.size, 40);
  assert.equal(new Set([...drivers.book.read().reserved].map(slotOf)).size, 20);
  drivers.restart();
  assert.match(addressOf(await request(drivers)), /^10\.210\.1\.\d+$/);
});

test('a range gives addresses of itself until there are no more', async () => {
  const drivers = new Drivers();
  const ask = () =>
    drivers.call('IpamDriver.RequestAddress', { PoolID: `${pool},10.210.1.64/30`, Address: '', Options: null });
  const given = [await ask(), await ask(), await ask(), await ask()].map(addressOf);
  assert.deepEqual([...given].sort(), ['10.210.1.64', '10.210.1.65', '10.210.1.66', '10.210.1.67']);
  assert.match(String((await ask())['Error']), /all addresses of 10\.210\.1\.64\/30 are in use/);
});

test('an address is one endpoint’s, whoever asks for it again and gives it back', async () => {
  const drivers = await withNetwork();
  await request(drivers, '10.210.1.7');
  assert.deepEqual(Object.keys(await drivers.call('NetworkDriver.CreateEndpoint', endpoint('a', '10.210.1.7'))), [
    'Interface',
  ]);
  assert.deepEqual(await request(drivers, '10.210.1.7'), { Address: '10.210.1.7/24', Data: {} });
  const second = await drivers.call('NetworkDriver.CreateEndpoint', endpoint('b', '10.210.1.7'));
  assert.match(String(second['Err']), /10\.210\.1\.7 is in use by another container/);
  await drivers.call('IpamDriver.ReleaseAddress', { PoolID: pool, Address: '10.210.1.7' });
  drivers.restart();
  assert.ok(
    !(await Promise.all(Array.from({ length: 50 }, () => request(drivers)))).map(addressOf).includes('10.210.1.7'),
  );
});

test('calls late, twice or about nothing are answered, and what is gone is no error', async () => {
  const drivers = await withNetwork();
  for (const method of ['Leave', 'DeleteEndpoint'])
    assert.deepEqual(await drivers.call(`NetworkDriver.${method}`, ids('x')), {});
  assert.deepEqual(await drivers.call('NetworkDriver.DeleteNetwork', { NetworkID: 'nowhere' }), {});
  assert.deepEqual(await drivers.call('IpamDriver.ReleasePool', { PoolID: 'nothing' }), {});
  assert.deepEqual(await drivers.call('IpamDriver.ReleaseAddress', { PoolID: 'x', Address: '10.9.9.9' }), {});
  assert.match(String((await drivers.call('NetworkDriver.Join', ids('x')))['Err']), /does not know this endpoint/);
  const foreign = { ...endpoint('a', '10.210.1.7'), NetworkID: 'other' };
  assert.match(
    String((await drivers.call('NetworkDriver.CreateEndpoint', foreign))['Err']),
    /does not know this network/,
  );
  assert.match(String((await drivers.call('NetworkDriver.Join', {}))['Err']), /NetworkID/);
});

test('a network is refused with an option or a pool that has no meaning here', async () => {
  const drivers = new Drivers();
  const make = (changes: object) => drivers.call('NetworkDriver.CreateNetwork', { ...network, ...changes });
  const generic = (options: object) => ({ Options: { 'com.docker.network.generic': options } });
  assert.match(String((await make(generic({ mtu: '9000' })))['Err']), /unknown option 'mtu'/);
  assert.match(String((await make(generic({ segment: 'Not a name' })))['Err']), /not a segment name/);
  assert.match(String((await make({ Options: { 'com.docker.network.internal': true } }))['Err']), /--internal/);
  assert.match(
    String((await make({ IPv4Data: [{ Pool: '172.18.0.0/16', Gateway: '172.18.0.1/16' }] }))['Err']),
    /--ipam-driver/,
  );
  assert.match(String((await make({ IPv4Data: [] }))['Err']), /no subnet/);
  assert.deepEqual(await make(generic({ segment: 'blue' })), {});
  assert.equal(drivers.book.read().networks.get('n1')?.segment, 'blue');
});

test('joining makes the port on the bridge, again the same, and anew where the container took the other end', async () => {
  const drivers = await withNetwork();
  await drivers.call('NetworkDriver.CreateEndpoint', endpoint('a', '10.210.1.7'));
  const joined = await drivers.call('NetworkDriver.Join', ids('a'));
  const { SrcName } = joined['InterfaceName'] as { SrcName: string };
  assert.equal(joined['Gateway'], '10.210.1.1');
  assert.equal(drivers.ports().length, 2);
  drivers.restart();
  assert.deepEqual(await drivers.call('NetworkDriver.Join', ids('a')), joined);
  drivers.takeIntoContainer(SrcName);
  assert.deepEqual(await drivers.call('NetworkDriver.Join', ids('a')), joined);
  assert.equal(drivers.ports().length, 2);
  const outer = [...drivers.host.main.links.values()].find(({ name }) => name.startsWith('wv'));
  assert.deepEqual([outer?.master, outer?.mtu, outer?.isUp], ['warren-br', 1420, true]);
  await drivers.call('NetworkDriver.Leave', ids('a'));
  assert.deepEqual(drivers.ports(), []);
});

test('what could not be written down is refused, and is free afterwards', async () => {
  const drivers = await withNetwork();
  drivers.isFull = true;
  assert.match(String((await request(drivers))['Error']), /no space left/);
  assert.match(
    String((await drivers.call('NetworkDriver.CreateEndpoint', endpoint('a', '10.210.1.2')))['Err']),
    /no space/,
  );
  drivers.isFull = false;
  assert.deepEqual(await drivers.call('NetworkDriver.CreateEndpoint', endpoint('b', '10.210.1.2')).then(Object.keys), [
    'Interface',
  ]);
});

test('published ports are refused in words, because nothing would answer on them', async () => {
  const drivers = await withNetwork();
  const ask = (ports: unknown) =>
    drivers.call('NetworkDriver.ProgramExternalConnectivity', {
      ...ids('a'),
      Options: { 'com.docker.network.portmap': ports },
    });
  assert.deepEqual(await ask([]), {});
  assert.deepEqual(await ask(null), {});
  assert.match(String((await ask([{ HostPort: 8080 }]))['Err']), /warren publish/);
});

/** The bridge's rules against a real bridge: who can pose as whom, of three containers of which the agent knows two. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { DesiredTable } from '../../agent/plan/desired.ts';
import { linkLocalOf } from '../../agent/plan/firewall/guard.ts';
import type { FirewallInput } from '../../agent/plan/firewall/input.ts';
import { planBridgeTable } from '../../agent/plan/firewall/table.ts';
import { type PortBinding, noLocalFacts } from '../../agent/plan/local.ts';
import { elementsOf } from '../../agent/plan/nft-table.ts';
import { planElements } from '../../agent/plan/elements.ts';
import { planTable } from '../../agent/plan/tables.ts';
import { changeElements, setTable, showTable } from '../../agent/system/nft.ts';
import { parseAddress } from '../../shared/net/address.ts';
import { parseCidr } from '../../shared/net/cidr.ts';
import { ipBatch } from '../support/command.ts';
import { systemInside } from '../support/namespace-system.ts';
import { deleteNamespacesNow, makeNamespace, runInside } from '../support/namespace.ts';
import { until } from '../support/wait.ts';

const tag = `gd${process.pid % 100_000}`;
const host = `${tag}h`;
const boxOf = (last: number) => ({
  last,
  namespace: `${tag}${last}`,
  port: `veth${last}`,
  mac: `02:00:00:00:00:0${last}`,
});
type Box = ReturnType<typeof boxOf>;
const [a, b, c] = [boxOf(2), boxOf(3), boxOf(4)];

const v4 = (last: number): string => `10.210.1.${last}`;
const v6 = (last: number): string => `fd00:86:0:11::${last}`;
const addressesOf = ({ last }: Box) => [v4(last), v6(last)].map(parseAddress);
const binding = (box: Box): PortBinding => ({
  port: box.port,
  addresses: addressesOf(box),
  mac: box.mac,
  isOurs: true,
});

before(async () => {
  await makeNamespace(host);
  await ipBatch(['link add warren-br type bridge', 'link set warren-br up'], host);
  for (const { last, namespace, port, mac } of [a, b, c]) {
    await makeNamespace(namespace);
    await ipBatch([`link add ${port} type veth peer name eth0 address ${mac} netns ${namespace}`], host);
    await ipBatch([`link set ${port} master warren-br up`], host);
    await ipBatch(
      [`addr add ${v4(last)}/24 dev eth0`, `addr add ${v6(last)}/64 dev eth0 nodad`, 'link set eth0 up'],
      namespace,
    );
  }
});
after(() => deleteNamespacesNow([host, ...[a, b, c].map(({ namespace }) => namespace)]));

const prefixes = ['10.210.1.0/24', 'fd00:86:0:11::/64'].map(parseCidr);

function tableFor(bindings: readonly PortBinding[]): DesiredTable {
  return planBridgeTable({
    settings: { tableName: 'warren' },
    local: noLocalFacts,
    containers: prefixes,
    leases: prefixes,
    gateways: [v4(1), v6(1)].map(parseAddress),
    ports: [a, b, c].map(({ port }) => port),
    bindings,
    workloads: [],
  } as unknown as FirewallInput);
}

async function pings(from: Box, source: string, to: string): Promise<boolean> {
  const ping = ['ping', '-n', '-c', '1', '-W', '1', '-I', source, to];
  return (await runInside(from.namespace, ping, { okCodes: 'any' })).exitCode === 0;
}

/** What `from` can make `to` answer, of the sources that it gives itself. */
async function posesAs(from: Box, to: Box, sources: readonly string[]): Promise<string[]> {
  const made = sources
    .filter((source) => source !== v4(from.last) && source !== v6(from.last))
    .map((source) => `${source}${source.includes(':') ? '/64' : '/24'} dev eth0`);
  const nodad = (address: string): string => (address.includes(':') ? 'nodad' : '');
  await ipBatch(
    made.map((address) => `addr add ${address} ${nodad(address)}`),
    from.namespace,
  );
  for (const { namespace } of [from, to]) await ipBatch(['neigh flush dev eth0'], namespace);
  // The kernel asks for a neighbour once for all who wait, by the source of whoever came first, which may be a forged one.
  await ipBatch(
    [v4(to.last), v6(to.last), linkLocalOf(to.mac)].map((one) => `neigh replace ${one} lladdr ${to.mac} dev eth0`),
    from.namespace,
  );
  const found = await Promise.all(
    sources.map((source) => {
      if (source.startsWith('fe80:')) return pings(from, `${source}%eth0`, `${linkLocalOf(to.mac)}%eth0`);
      return pings(from, source, source.includes(':') ? v6(to.last) : v4(to.last));
    }),
  );
  await ipBatch(
    made.map((address) => `addr del ${address}`),
    from.namespace,
  );
  return sources.filter((_, i) => found[i]);
}

const everything = (own: Box, other: Box): string[] => [
  ...addressesOf(own),
  ...addressesOf(other),
  v4(1),
  v6(1),
  v4(9),
  v6(9),
  linkLocalOf(other.mac),
  'fe80::9',
];

test('before the rules are there, anybody poses as anybody', async () => {
  // With the other one silent, whose answers would come in between.
  await ipBatch(['link set eth0 down'], c.namespace);
  const sources = everything(a, c);
  await until('all of them', { seconds: 10 }, async () => (await posesAs(a, b, sources)).length === sources.length);
  await ipBatch(['link set eth0 up', `addr replace ${v6(c.last)}/64 dev eth0 nodad`], c.namespace);
});

test('a known port speaks for what is behind it and nobody else', async () => {
  const [step] = planTable('bridge', tableFor([binding(a), binding(b), binding(c)]), { kind: 'missing' });
  assert.equal(step?.kind, 'table-set');
  if (step?.kind === 'table-set') await setTable(systemInside(host), step);
  assert.deepEqual(await posesAs(a, b, everything(a, c)), [...addressesOf(a), 'fe80::9']);
  // A frame with the address of another's card would draw that one's packets here.
  await ipBatch([`link set eth0 address ${c.mac}`], a.namespace);
  assert.deepEqual(await posesAs(a, b, addressesOf(a)), []);
  await ipBatch([`link set eth0 address ${a.mac}`], a.namespace);
  assert.deepEqual(await posesAs(a, b, addressesOf(a)), addressesOf(a));
});

test('nobody but the host answers for the gateway', async () => {
  await ipBatch([`addr add ${v4(1)}/24 dev eth0`, `addr add ${v6(1)}/64 dev eth0 nodad`], a.namespace);
  const reached = [await pings(b, v4(b.last), v4(1)), await pings(b, v6(b.last), v6(1))];
  await ipBatch([`addr del ${v4(1)}/24 dev eth0`, `addr del ${v6(1)}/64 dev eth0`], a.namespace);
  assert.deepEqual(reached, [false, false]);
});

test('a port that is not known uses what is nobody else’s, and is bound without anybody losing a packet', async () => {
  const system = systemInside(host);
  const change = async (bindings: readonly PortBinding[]): Promise<void> => {
    const now = await showTable(system, 'warren', 'bridge');
    assert.equal(now.kind, 'sealed');
    const table = tableFor(bindings);
    if (now.kind !== 'sealed') return;
    assert.equal(now.digest, table.digest);
    await changeElements(system, {
      family: 'bridge',
      name: table.name,
      changes: planElements(elementsOf(table), now.sets),
    });
  };
  const stream = runInside(a.namespace, ['ping', '-n', '-i', '0.01', '-c', '200', '-W', '1', v4(b.last)], {
    okCodes: 'any',
  });
  await change([binding(a), binding(b)]);
  assert.deepEqual(await posesAs(c, b, everything(c, a)), [...addressesOf(c), v4(9), v6(9), 'fe80::9']);
  await change([binding(a), binding(b), binding(c)]);
  assert.deepEqual(await posesAs(c, b, everything(c, a)), [...addressesOf(c), 'fe80::9']);
  assert.match((await stream).stdout, /200 packets transmitted, 200 received/);
  const now = await showTable(system, 'warren', 'bridge');
  assert.deepEqual(
    now.kind === 'sealed' ? planElements(elementsOf(tableFor([a, b, c].map(binding))), now.sets) : now,
    [],
  );
});

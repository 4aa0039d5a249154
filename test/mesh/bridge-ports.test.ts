/** The bridge's table against a real bridge: two containers of one host, in two segments and then in one. */
import assert from 'node:assert/strict';
import { noLocalFacts } from '../../agent/plan/local.ts';
import { tableText } from '../../agent/plan/nft-table.ts';
import { after, before, test } from 'node:test';
import { planBridgeTable } from '../../agent/plan/firewall/table.ts';
import type { FirewallInput } from '../../agent/plan/firewall/input.ts';
import { parseCidr } from '../../shared/net/cidr.ts';
import { workloadSchema } from '../../shared/workload.ts';
import { ipBatch } from '../support/command.ts';
import { deleteNamespacesNow, makeNamespace, runInside } from '../support/namespace.ts';
import { until } from '../support/wait.ts';

const tag = `bp${process.pid % 100_000}`;
const [host, a, b] = [`${tag}h`, `${tag}a`, `${tag}b`];

before(async () => {
  for (const name of [host, a, b]) await makeNamespace(name);
  await ipBatch(['link add warren-br type bridge', 'link set warren-br up'], host);
  for (const [i, name] of [a, b].entries()) {
    const port = `veth${i}`;
    await ipBatch([`link add ${port} type veth peer name eth0 netns ${name}`], host);
    await ipBatch([`link set ${port} master warren-br up`], host);
    const last = i + 2;
    await ipBatch(
      [
        `addr add 10.210.1.${last}/24 brd + dev eth0`,
        `addr add fd00:86:0:11::${last}/64 dev eth0 nodad`,
        'link set eth0 up',
        `addr add fe80::${last}/64 dev eth0 nodad`,
        `addr add 192.0.2.${last}/24 dev eth0`,
      ],
      name,
    );
  }
});
after(() => deleteNamespacesNow([host, a, b]));

const ways = ['10.210.1.3', 'fd00:86:0:11::3', 'fe80::3%eth0', '192.0.2.3'];

async function reached(): Promise<string[]> {
  const found: string[] = [];
  for (const to of ways) {
    const { exitCode } = await runInside(a, ['ping', '-n', '-c', '1', '-W', '1', to], { okCodes: 'any' });
    if (exitCode === 0) found.push(to);
  }
  return found;
}

async function separate(segments: readonly string[]): Promise<void> {
  const workloads = segments.map((segment, i) =>
    workloadSchema.parse({
      name: `w${i}`,
      services: [],
      ports: [],
      isHealthy: true,
      variables: [],
      segment,
      addresses: [`10.210.1.${i + 2}`, `fd00:86:0:11::${i + 2}`],
    }),
  );
  const prefixes = ['10.210.1.0/24', 'fd00:86:0:11::/64'].map(parseCidr);
  const table = planBridgeTable({
    settings: { tableName: 'warren' },
    local: noLocalFacts,
    containers: prefixes,
    leases: prefixes,
    ports: ['veth0', 'veth1'],
    gateways: [],
    bindings: [],
    workloads,
  } as unknown as FirewallInput);
  const text = `table bridge warren {\n}\ndelete table bridge warren\ntable bridge warren {\n${tableText(table)}\n}\n`;
  await runInside(host, ['nft', '-f', '-'], { input: text });
}

test('segments on one bridge are not left by link-local or foreign addresses, and neighbours in one still find each other', async () => {
  await until('all ways without segments', { seconds: 5 }, async () => (await reached()).length === ways.length);
  await separate(['blue', 'red']);
  assert.deepEqual(await reached(), []);
  await separate(['blue', 'blue']);
  for (const name of [a, b]) await ipBatch(['neigh flush dev eth0'], name);
  assert.deepEqual(await reached(), ways.slice(0, 2));
});

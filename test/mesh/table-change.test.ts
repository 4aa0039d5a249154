/**
 * The agent's table changes while packets are sent as fast as they can be, through rules that drop whatever is not in a
 * set: not one may be lost, whichever of the changes below happens. Replaced as a whole, some are (see table-scripts.ts).
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { DesiredTable } from '../../agent/plan/desired.ts';
import { baseChain, chain, makeTable, set, verdictMap } from '../../agent/plan/nft-table.ts';
import { changeElements, setTable, showTable } from '../../agent/system/nft.ts';
import { planTable } from '../../agent/plan/tables.ts';
import { ipBatch } from '../support/command.ts';
import { systemInside } from '../support/namespace-system.ts';
import { deleteNamespacesNow, inside, makeNamespace } from '../support/namespace.ts';
import { startProcess } from '../support/process.ts';
import { until } from '../support/wait.ts';

const host = `tc${process.pid % 100_000}`;
const system = systemInside(host);
const folder = mkdtempSync(join(tmpdir(), 'warren-table-'));

before(async () => {
  await makeNamespace(host);
  await ipBatch(['link set lo up'], host);
});
after(() => {
  deleteNamespacesNow([host]);
  rmSync(folder, { recursive: true });
});

const out = { type: 'filter', hook: 'output', priority: 0 } as const;

interface Shape {
  readonly prefixes: readonly string[];
  readonly set?: string;
  readonly rules?: readonly string[];
  readonly isSplit?: true;
  readonly members?: readonly string[];
}

/** What is sent passes a check as those of the agent are, and a verdict map that lets it pass once more. */
function tableOf({ prefixes, set: name = 'mesh', rules = [], isSplit, members = [] }: Shape): DesiredTable {
  const check = [...rules, `ip daddr != @${name} counter drop`];
  return makeTable('warren', [
    set(name, 'type ipv4_addr; flags interval', prefixes),
    verdictMap('segments', 'ipv4_addr', [
      '127.0.0.1 : goto pass',
      ...members.map((one) => `${one} : jump to_${one.at(-1)}`),
    ]),
    chain('pass', ['accept']),
    ...members.map((one) => chain(`to_${one.at(-1)}`, ['counter'])),
    baseChain(isSplit ? 'check_other' : 'check', out, check),
    baseChain('last', { ...out, priority: 10 }, ['ip daddr vmap @segments', 'counter drop']),
  ]);
}

/** What changes in the life of a mesh; each shape follows the one before, and the first the last. */
const shapes: readonly Shape[] = [
  { prefixes: ['127.0.0.0/8', '10.0.0.0/8'] },
  { prefixes: ['127.0.0.0/8', '10.0.0.0/8', '192.168.7.0/24', '192.168.8.0/24'], members: ['10.0.0.1', '10.0.0.2'] },
  { prefixes: ['126.0.0.0/7', '192.168.0.0/16'], members: ['10.0.0.2'] },
  { prefixes: ['127.0.0.0/8', '10.0.0.0/8'], rules: ['udp dport 1 counter', 'tcp dport { 1, 2 } counter'] },
  { prefixes: ['127.0.0.0/8'], set: 'lease', members: ['10.0.0.3'] },
  { prefixes: ['127.0.0.0/8', '10.0.0.0/8'], isSplit: true },
];

async function become(table: DesiredTable): Promise<void> {
  for (const step of planTable('inet', table, await showTable(system, table.name))) {
    if (step.kind === 'table-set') await setTable(system, { ...step, whole: 'never' });
    if (step.kind === 'elements-set') await changeElements(system, step);
  }
  assert.deepEqual(planTable('inet', table, await showTable(system, table.name)), []);
}

/** Says when it runs, and at the end how many were sent and how many refused. */
const sender = `
import signal, socket, sys
end = []
signal.signal(signal.SIGTERM, lambda *_: end.append(1))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
r.bind(('127.0.0.1', 0))
sent = lost = 0
while not end:
    try:
        s.sendto(b'x', r.getsockname())
    except PermissionError:
        lost += 1
    sent += 1
    if sent == 1000: print('runs', flush=True)
print('sent', sent, 'lost', lost, flush=True)
`;

test('no change of the table loses a packet that it does not concern', async () => {
  await become(tableOf({ prefixes: ['127.0.0.0/8'] }));
  const flood = startProcess(inside(host, ['python3', '-c', sender]), { logFile: join(folder, 'flood.log') });
  await until('packets are sent', { seconds: 20 }, () => flood.output().includes('runs'));
  for (let round = 0; round < 3; round += 1) for (const shape of shapes) await become(tableOf(shape));
  await flood.stop('SIGTERM');
  assert.match(flood.output(), /sent \d+ lost 0$/m);
});

test('a table whose set has another type is made anew, and one that somebody altered too', async () => {
  const other = makeTable('warren', [
    set('mesh', 'type ipv6_addr', ['::1']),
    baseChain('check', out, ['ip6 daddr @mesh']),
  ]);
  await become(tableOf({ prefixes: ['127.0.0.0/8'] }));
  for (const text of [undefined, 'add rule inet warren check counter']) {
    if (text !== undefined) await system.run({ argv: ['nft', '-f', '-'], input: `${text}\n` });
    const [step] = planTable('inet', other, await showTable(system, 'warren'));
    assert.equal(step?.kind, 'table-set');
    if (step?.kind === 'table-set') await setTable(system, step);
    assert.deepEqual(planTable('inet', other, await showTable(system, 'warren')), []);
  }
});

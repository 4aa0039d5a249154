import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LabContainer } from '../support/lab-container.ts';
import type { LabHost } from '../support/lab-host.ts';
import { type Lab, openMesh } from '../support/lab.ts';
import { until } from '../support/wait.ts';
import { waitUntilWorks } from '../support/works-beside.ts';

/** A host with nftables of its owner's that drop what they have no rule for. */
let lab: Lab;
let host: LabHost;
let ours: LabContainer;
let far: LabContainer;

before(async () => {
  lab = await openMesh(2);
  const [one, other] = lab.hosts;
  host = other ?? assert.fail('no host');
  ours = host.containers[0] ?? assert.fail('no container');
  far = one?.containers[0] ?? assert.fail('no container');
});
after(() => lab?.close());

async function drops(): Promise<Map<string, string>> {
  const { failures } = (await host.status()) as { failures: { kind: string; subject: string; why: string }[] };
  const found = failures.filter(({ kind }) => kind === 'firewall-drops');
  return new Map(found.map(({ subject, why }) => [subject, why]));
}

test('status names the chains and what to add; with that everything works', async () => {
  const text = `table inet own {
  chain in { type filter hook input priority 0; policy drop; iif lo accept; ct state established,related accept; }
  chain through { type filter hook forward priority 0; policy drop; }
}
`;
  await host.run(['nft', '-f', '-'], { input: text });
  const found = await until('status names both', { seconds: 45 }, async () => {
    const named = await drops();
    return named.size === 2 && named;
  });
  assert.deepEqual([...found.keys()].sort(), ['inet own in', 'inet own through']);
  for (const why of found.values()) {
    const [, rules = ''] = /Run nft '(.*)'$/.exec(why) ?? [];
    assert.notEqual(rules, '', why);
    await host.run(['nft', rules]);
  }
  await waitUntilWorks({ host, ours, far });
  await until('status has nothing to say', { seconds: 45 }, async () => (await drops()).size === 0);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attachment, Ground } from '../../../agent/attach/attachments.ts';
import { attachRequestSchema } from '../../../agent/attach/request.ts';
import { parseTarget } from '../../../agent/attach/target.ts';
import { attachedWorkloads } from '../../../agent/attach/workloads.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';

const ground: Ground = { leases: [parseCidr('10.210.1.0/24')], isBridged: () => false, dhcpLease: () => undefined };

const attached = (target: string, slot: number, more: Record<string, unknown> = {}): Attachment => ({
  request: attachRequestSchema.parse({ target, interface: 'eth0', ...more }),
  target: parseTarget(target),
  slot,
  startedAt: undefined,
  containerId: undefined,
  attachedAt: '2026-01-01T00:00:00Z',
  linkKey: `${target} eth0`,
  isLeaving: false,
  place: { namespace: `4:${slot}`, netnsPath: '/run/netns/x' },
});

test('an interface is called as it says, or after its target, and else it is nobody', () => {
  const all = [attached('netns:db', 2), attached('pid:7', 3, { name: 'web' }), attached('pid:8', 4)];
  assert.deepEqual(
    attachedWorkloads(all, ground).map(({ name, addresses }) => [name, ...addresses]),
    [
      ['db', '10.210.1.2'],
      ['web', '10.210.1.3'],
    ],
  );
});

test('one that nobody can name is in its segment all the same', () => {
  const all = [attached('pid:8', 4, { segment: 'blue' }), attached('netns:a.b', 5, { segment: 'blue' })];
  const workloads = attachedWorkloads(all, ground);
  assert.deepEqual(
    workloads.map(({ segment, addresses }) => [segment, ...addresses]),
    [
      ['blue', '10.210.1.4'],
      ['blue', '10.210.1.5'],
    ],
  );
  assert.equal(new Set(workloads.map(({ name }) => name)).size, 2);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReportBody } from '../../../shared/api/report.ts';
import { parseHostId } from '../../../shared/names.ts';
import { parseAddress } from '../../../shared/net/address.ts';
import { workload } from '../workloads/support.ts';
import { emptyReport } from '../../support/report-body.ts';
import { createLiveReports } from '../../../server/status/live.ts';

const web = parseHostId('haaaaaaaaaaaaaaaa');
const db = parseHostId('hbbbbbbbbbbbbbbbb');

const report = (change: Partial<ReportBody> = {}): ReportBody => ({
  ...emptyReport,
  applied: { epoch: 'eaaaaaaaaaaaaaaaa', revision: 7 },
  ...change,
});

const failure = (why: string) => ({ kind: 'route-add', subject: 'x', why, since: '2026-11-23T16:33:00.000Z' });

test('the newest report of a host replaces the one before', () => {
  const live = createLiveReports();
  live.record(web, report({ failures: [failure('old')] }), 1);
  live.record(web, report({ agentVersion: '0.2.0' }), 2);
  assert.equal(live.host(web)?.seenAt, 2);
  assert.equal(live.host(web)?.agentVersion, '0.2.0');
  assert.deepEqual(live.detail(web), { peers: [], failures: [] });
  assert.equal(live.hostCount(), 1);
});

test('a container with a name is counted once, attached or not; an attached one without a name too', () => {
  const live = createLiveReports();
  const [named, bare] = ['10.210.1.2', '10.210.1.3'].map(parseAddress);
  assert.ok(named !== undefined && bare !== undefined);
  const attachments = [named, bare].map((one) => ({
    target: `pid:${one}`,
    addresses: [one],
    state: 'attached' as const,
  }));
  live.record(web, report({ workloads: [workload('a', [named]), workload('b', [])], attachments }), 1);
  live.record(db, report({ workloads: [workload('a', [])] }), 1);
  assert.deepEqual([live.host(web)?.containers, live.host(web)?.workloads, live.workloadCount()], [3, 2, 3]);
  live.forget(web);
  assert.equal(live.workloadCount(), 1);
});

test('of attachments only attached ones are counted', () => {
  const live = createLiveReports();
  const attachment = { target: 'netns:a', addresses: [] };
  live.record(
    web,
    report({
      attachments: [
        { ...attachment, state: 'attached' },
        { ...attachment, state: 'waiting' },
      ],
    }),
    1,
  );
  assert.equal(live.host(web)?.containers, 1);
});

test('details give way where they do not fit, the oldest report first; the few facts stay', () => {
  const live = createLiveReports({ detailChars: 700 });
  live.record(web, report({ failures: [failure('w'.repeat(400))] }), 1);
  live.record(db, report({ failures: [failure('d'.repeat(400))] }), 2);
  assert.deepEqual(live.detail(web).failures, []);
  assert.equal(live.detail(db).failures.length, 1);
  assert.equal(live.host(web)?.seenAt, 1);
});

test('a sighting is handed out once, and a forgotten host leaves nothing', () => {
  const live = createLiveReports();
  live.record(web, report(), 1);
  live.record(web, report(), 2);
  live.record(db, report(), 3);
  live.forget(db);
  assert.deepEqual(live.takeUnsaved(), [
    { hostId: web, seenAt: 2, applied: { epoch: 'eaaaaaaaaaaaaaaaa', revision: 7 }, agentVersion: '0.1.0' },
  ]);
  assert.deepEqual(live.takeUnsaved(), []);
  assert.equal(live.host(db), undefined);
});

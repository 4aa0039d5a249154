import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNews } from '../../../agent/run/news.ts';
import type { ReportBody } from '../../../shared/api/report.ts';
import { emptyReport } from '../../support/report-body.ts';
import { workload } from '../../server/workloads/support.ts';

function watch() {
  const told: boolean[] = [];
  let body: ReportBody | undefined;
  const news = createNews(
    () => body,
    ({ isUrgent }) => told.push(isUrgent),
  );
  const look = (change: Partial<ReportBody>): boolean[] => {
    body = { ...emptyReport, ...change };
    news.look();
    return told.splice(0);
  };
  return { look, news };
}

test('what runs here is urgent when it changes; the first account and all else are not', () => {
  const { look, news } = watch();
  const web = [workload('web', [])];
  assert.deepEqual(look({ workloads: web }), [false]);
  assert.deepEqual(look({ workloads: web }), []);
  assert.deepEqual(look({ workloads: web, listenPort: 51999 }), [false]);
  assert.deepEqual(look({ workloads: [], listenPort: 51999 }), [true]);
  news.forget();
  assert.deepEqual(look({ workloads: [], listenPort: 51999 }), [false], 'everybody says it again after a reconnect');
});

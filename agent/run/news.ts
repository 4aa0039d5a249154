/**
 * Decides whether the server should hear of something now. Counters change all the time and wait for the next report; what
 * runs here is urgent, because names and ports on all hosts go by it, and nobody else has the same to tell at this moment.
 */
import type { ReportBody } from '../../shared/api/report.ts';

export interface News {
  /** Tells `onNews` if what there is to report differs from what it was at the last time. */
  look(): void;
  /** What was reported before counts no more, so that the next look is news. */
  forget(): void;
}

export function createNews(report: () => ReportBody | undefined, onNews: (news: { isUrgent: boolean }) => void): News {
  let last = '';
  let workloads: string | undefined;
  return {
    look: () => {
      const body = report();
      if (body === undefined) return;
      const worth = JSON.stringify({ ...body, peers: [], agentVersion: '' });
      if (worth === last) return;
      last = worth;
      const running = JSON.stringify(body.workloads);
      const isUrgent = workloads !== undefined && running !== workloads;
      workloads = running;
      onNews({ isUrgent });
    },
    forget: () => (last = ''),
  };
}

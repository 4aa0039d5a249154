/** Decides whether the server should hear of something now. Counters change all the time and wait for the next report. */
import type { ReportBody } from '../../shared/api/report.ts';

export interface News {
  /** Tells `onNews` if what there is to report differs from what it was at the last time. */
  look(): void;
  /** What was reported before counts no more, so that the next look is news. */
  forget(): void;
}

export function createNews(report: () => ReportBody | undefined, onNews: () => void): News {
  let last = '';
  return {
    look: () => {
      const body = report();
      if (body === undefined) return;
      const worth = JSON.stringify({ ...body, peers: [], agentVersion: '' });
      if (worth === last) return;
      last = worth;
      onNews();
    },
    forget: () => (last = ''),
  };
}

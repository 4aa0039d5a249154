/** What an agent with nothing to tell reports. */
import type { ReportBody } from '../../shared/api/report.ts';

export const emptyReport: ReportBody = {
  applied: null,
  listenPort: 51820,
  declaredEndpoints: [],
  localEndpoints: [],
  mappedEndpoints: [],
  nat: 'unknown',
  peers: [],
  failures: [],
  attachments: [],
  workloads: [],
  advertise: [],
  backend: { kind: 'kernel', version: '1' },
  agentVersion: '0.1.0',
};

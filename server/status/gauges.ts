/** The server's own figures, read from where they are when somebody asks for the metrics. */
import { countHosts } from '../store/hosts.ts';
import type { Deps } from '../deps.ts';
import type { OpenStreams } from '../http/stream.ts';
import type { Metrics } from './metrics.ts';

export function registerGauges(metrics: Metrics, { store, feed, live }: Deps, streams: OpenStreams): void {
  metrics.gauge('warren_revision', 'Revision of the mesh', () => store.position().revision);
  metrics.gauge('warren_online', 'Hosts with an open feed', () => feed.onlineCount());
  metrics.gauge('warren_streams', 'Open streams, of hosts and of admins', () => streams.count());
  metrics.gauge('warren_lock_alarms', 'Alarms of the lock that hosts have now', () => live.lockAlarmCount());
  metrics.gaugeBy('warren_hosts', 'Hosts by state', 'state', () => countHosts(store.db));
  metrics.gauge('warren_workloads', 'Workloads that hosts told of since the start', () => live.workloadCount());
  const countCommit = metrics.counter('warren_commits_total', 'Committed changes since the start');
  store.onCommit(() => countCommit());
}

/**
 * The stream of changes for people and programs: what was done to what, as it is committed. It says that something
 * changed, not what it is now (ask the API), and never holds more than a little per listener: who does not read is cut.
 */
import type { Commit, Store } from '../store/open.ts';
import { formatTime } from '../time.ts';

export interface EventSink {
  write(bytes: Buffer): boolean;
  bufferedBytes(): number;
  destroy(): void;
  onClose(listener: () => void): void;
}

const heartbeatMs = 15_000;
const maxBufferedBytes = 1024 * 1024;

/** Writes one `change` event for each thing done, until the sink closes. */
export function watchChanges(store: Store, sink: EventSink, now: () => number): void {
  const send = (text: string): void => {
    if (sink.bufferedBytes() > maxBufferedBytes) sink.destroy();
    else sink.write(Buffer.from(text));
  };
  const stopListening = store.onCommit((commit) => {
    for (const change of changesOf(commit, now())) send(formatChange(change));
  });
  const timer = setInterval(() => send(': heartbeat\n\n'), heartbeatMs);
  sink.onClose(() => {
    stopListening();
    clearInterval(timer);
  });
  send(': changes from here on\n\n');
}

export interface Change {
  readonly revision: number;
  readonly action: string;
  readonly subject: string | null;
  readonly at: string;
}

/** A commit without an audit entry is what a host reported of itself and others must know: endpoints, workloads. */
export function changesOf(commit: Commit, now: number): Change[] {
  const { revision, audits, touched } = commit;
  if (audits.length > 0) {
    return audits.map(({ action, subject, at }) => ({ revision, action, subject, at: formatTime(at) }));
  }
  const subject = touched.length === 1 ? (touched[0] ?? null) : null;
  return [{ revision, action: 'agent.report', subject, at: formatTime(now) }];
}

const formatChange = (change: Change): string =>
  `id: ${change.revision}\nevent: change\ndata: ${JSON.stringify(change)}\n\n`;

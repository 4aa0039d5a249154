/** A server's side of `ServerLink` that a test plays by hand: it pushes frames, ends streams and sees what was said. */
import type { LockPage } from '../../shared/api/lock.ts';
import type { ReportBody } from '../../shared/api/report.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Cursor, FeedFrame } from '../../shared/protocol.ts';
import type { ServerLink } from '../../agent/transport.ts';

export interface FakeLink extends ServerLink {
  /** Cursor of each connection so far. */
  readonly connections: (Cursor | undefined)[];
  readonly reports: ReportBody[];
  readonly renewals: string[];
  readonly left: string[];
  /** Refuses new connections and calls with this, until undefined. */
  refusal: WarrenError | undefined;
  /** What `renew` answers. */
  onRenew: ServerLink['renew'] | undefined;
  /** What the server has of the lock's log. */
  lockPage: LockPage;
  readonly isOpen: boolean;
  push(...frames: FeedFrame[]): void;
  end(error?: Error): void;
}

export function createFakeLink(): FakeLink {
  let open: { onFrame: (frame: FeedFrame) => void; fail: (error: Error) => void } | undefined;
  const link: FakeLink = {
    connections: [],
    reports: [],
    renewals: [],
    left: [],
    refusal: undefined,
    onRenew: undefined,
    lockPage: { lock: null, entries: [] },
    get isOpen() {
      return open !== undefined;
    },
    push: (...frames) => {
      for (const frame of frames) {
        try {
          open?.onFrame(frame);
        } catch (error) {
          open?.fail(error instanceof Error ? error : new Error(String(error)));
        }
      }
    },
    end: (error = new WarrenError('unreachable', 'ended by the test')) => open?.fail(error),
    report: (body) => {
      if (link.refusal !== undefined) return Promise.reject(link.refusal);
      link.reports.push(body);
      return Promise.resolve(body.applied ?? { epoch: 'eaaaaaaaaaaaaaaaa', revision: 0 });
    },
    renew: (body) => {
      link.renewals.push(body.publicKey);
      return link.onRenew?.(body) ?? Promise.reject(new WarrenError('unreachable', 'no server'));
    },
    lock: (after) => {
      if (link.refusal !== undefined) return Promise.reject(link.refusal);
      return Promise.resolve({ ...link.lockPage, entries: link.lockPage.entries.slice(after) });
    },
    leave: () => {
      if (link.refusal !== undefined) return Promise.reject(link.refusal);
      link.left.push('left');
      return Promise.resolve();
    },
    look: () => Promise.reject(link.refusal ?? new WarrenError('unreachable', 'no server')),
    openFeed: (cursor, onFrame, signal) =>
      new Promise((_, reject) => {
        if (link.refusal !== undefined) {
          reject(link.refusal);
          return;
        }
        link.connections.push(cursor);
        const fail = (error: Error): void => {
          open = undefined;
          reject(error);
        };
        signal.addEventListener('abort', () => fail(new WarrenError('unreachable', 'aborted')), { once: true });
        open = { onFrame, fail };
      }),
    refresh: () => undefined,
    path: () => undefined,
    close: () => undefined,
  };
  return link;
}

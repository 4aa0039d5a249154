/** What the server's words set in motion. */
import type { WarrenError } from '../../shared/errors.ts';
import type { NetworkMap } from '../../shared/network-map.ts';
import type { Standing } from '../../shared/protocol.ts';
import type { LockFetch } from '../lock/fetch.ts';
import type { Reconciler } from '../reconcile.ts';
import type { Renewal } from '../renew.ts';
import type { Reporter } from '../report.ts';
import type { StreamOptions } from '../stream.ts';
import type { Context } from './context.ts';
import type { News } from './news.ts';
import type { Paths } from './paths.ts';

export interface Listeners {
  readonly reconciler: Pick<Reconciler, 'wake'>;
  readonly news: News;
  readonly renewal: () => Renewal;
  readonly reporter: () => Reporter;
  readonly paths: () => Pick<Paths, 'room'>;
  readonly lock: Pick<LockFetch, 'look'>;
}

export function listen(
  { membership, lock: book, log, clock, settings }: Context,
  { reconciler, news, renewal, reporter, paths, lock }: Listeners,
): Pick<StreamOptions, 'onMap' | 'onStanding' | 'onRefused'> & { noticeSelf(): void } {
  /** A key that this host made is its key once others may take it. */
  const noticeSelf = (): void => {
    const self = membership.self();
    if (self !== undefined && self.publicKey !== settings().publicKey) renewal().noticeSelf(self);
  };
  return {
    noticeSelf,
    onMap: (map: NetworkMap): void => {
      membership.take(map, clock.now());
      log.debug({ revision: map.revision, hosts: map.hosts.length }, 'map received');
      book.told(map.mesh.lock);
      noticeSelf();
      lock.look();
      reconciler.wake();
    },
    onStanding: (standing: Standing): void => {
      const before = membership.state();
      membership.stand(standing);
      paths().room?.reflect();
      reporter().setInterval(standing.reportSeconds);
      if (standing.state !== before) {
        log.info({ state: standing.state }, standing.state === 'pending' ? 'waiting for approval' : 'standing');
        reconciler.wake();
      }
      if (standing.isRotationDue) renewal().rotate();
      news.forget();
      news.look();
    },
    onRefused: (error: WarrenError): void => {
      if (membership.refuse(error)) {
        log.warn({ code: error.code, why: error.message }, 'cut off by the server');
        reconciler.wake();
      }
      if (error.code === 'certificate-invalid') renewal().renewSoon();
    },
  };
}

/** Whether the server can serve: what a load balancer, a container runtime and a person ask before they rely on it. */
import { WarrenError } from '../../shared/errors.ts';
import type { Deps } from '../deps.ts';

/** Throws `draining`, or the store's own error (`store-full`, `store-corrupt`) while nothing can be written. */
export async function checkReady({ store, isDraining }: Pick<Deps, 'store' | 'isDraining'>): Promise<void> {
  if (isDraining()) throw new WarrenError('draining', 'the server is stopping');
  await store.checkWritable();
}

/** What an agent wrote down before. What cannot be read is no reason not to start: that is told, and it is begun anew. */
import type { Logger } from 'pino';
import { asWarrenError } from '../../shared/errors.ts';
import type { NetworkMap } from '../../shared/network-map.ts';
import type { State } from '../state.ts';

/** `open` throws for a text that it cannot understand, never for none. */
export async function openSaved<T>(
  log: Logger,
  what: string,
  read: () => Promise<string | undefined>,
  open: (saved: string | undefined) => T,
): Promise<T> {
  try {
    return open(await read());
  } catch (error) {
    log.error({ why: asWarrenError(error).message }, `${what} ignored`);
    return open(undefined);
  }
}

/** A full map is asked for where there is none. */
export async function readSavedMap(state: State, log: Logger): Promise<NetworkMap | undefined> {
  try {
    return await state.readMap();
  } catch (error) {
    log.error({ why: asWarrenError(error).message }, 'saved map ignored');
    return undefined;
  }
}

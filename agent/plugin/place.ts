/**
 * Who answers on the engine's socket. An agent takes it from the dead and from its own stand-in (`away.ts`), which gives
 * it away when asked; everybody else who answers there is left alone.
 */
import { mkdir, rename, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { inTurn } from '../local/turn.ts';
import { askSocket, identityOf, isAnswered, listenAt } from '../unix-socket.ts';

export interface Place {
  /** Of the socket. */
  readonly path: string;
  /** Where those who take the place wait for each other; not beside the socket, for the engine looks through that folder. */
  readonly turnPath: string;
  /** The instance's state directory: a stand-in yields to nobody else. */
  readonly owner: string;
}

/** A call that only a stand-in knows: it changes nothing any more, and keeps what needs an agent for the next one. */
export const yieldMethod = 'Warren.Yield';

const patienceMs = 3_000;
const yieldSchema = z.object({ isYielding: z.literal(true) });

/**
 * Listens under another name and moves the socket over what is there, so that there is no moment without one. Answers
 * the socket's identity, or undefined where somebody else answers there.
 */
export async function takePlace(server: Server, place: Place, log: Logger): Promise<string | undefined> {
  const { path, turnPath } = place;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  return inTurn(turnPath, async () => {
    if ((await isAnswered(path)) && !(await askToYield(place))) {
      log.debug({ path }, 'another process serves the drivers there');
      return undefined;
    }
    const temporary = `${path}.${process.pid}.new`;
    await rm(temporary, { force: true });
    await listenAt(server, temporary);
    await rename(temporary, path);
    log.info({ path }, 'drivers for the container engine are served');
    return identityOf(path);
  });
}

/** True when a stand-in of this instance answered and will touch the books no more. */
export async function askToYield({ path, owner }: Omit<Place, 'turnPath'>): Promise<boolean> {
  try {
    const { body } = await askSocket(path, `/${yieldMethod}`, JSON.stringify({ owner }), patienceMs);
    return yieldSchema.safeParse(JSON.parse(body)).success;
  } catch {
    // Nobody, or somebody who speaks another language.
    return false;
  }
}

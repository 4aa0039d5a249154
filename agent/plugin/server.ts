/**
 * The socket where the container engine finds its drivers. Whatever is asked, an answer comes in time: the engine waits
 * without end, and holds locks while it waits. The socket is there exactly while somebody answers on it, as far as a
 * process can see to that.
 */
import { rm } from 'node:fs/promises';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { Logger } from 'pino';
import { asWarrenError } from '../../shared/errors.ts';
import type { Clock } from '../clock.ts';
import type { Fault } from '../failures.ts';
import { closeServer, identityOf } from '../unix-socket.ts';
import { type AnswerParts, answer, answerMs } from './answer.ts';
import { type Place, takePlace } from './place.ts';

export interface PluginServer {
  faults(): readonly Fault[];
  /** The socket is gone and every call that had begun is answered. */
  stop(): Promise<void>;
}

export interface PluginServerOptions extends AnswerParts {
  readonly place: Place;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default 10 s: the engine empties its folder at times, and another agent that listened there may have ended. */
  readonly lookMs?: number;
  /** From now on calls come in here. */
  readonly onTaken?: () => void;
  /** Somebody else answers on the socket; what had been asked here is still answered. */
  readonly onOthers?: () => void;
}

export function servePlugin(options: PluginServerOptions): PluginServer {
  const { place, clock, log, lookMs = 10_000 } = options;
  const { path } = place;
  const handle = (request: IncomingMessage, reply: ServerResponse): void => {
    void answer(request, reply, options).catch(() => reply.destroy());
  };
  let server: Server | undefined;
  let own: string | undefined;
  let fault: Fault | undefined;
  let isStopped = false;
  const look = async (): Promise<void> => {
    try {
      if (own === undefined || (await identityOf(path)) !== own) {
        if (server !== undefined) void closeServer(server);
        server = createServer({ requestTimeout: answerMs }, handle);
        own = await takePlace(server, place, log);
        if (own === undefined) options.onOthers?.();
        else options.onTaken?.();
      }
      fault = undefined;
    } catch (error) {
      const why = `cannot listen there: ${asWarrenError(error).message}; set WARREN_PLUGIN_SOCKET to another path, or to off`;
      if (fault?.why !== why) log.warn({ path, why }, 'no drivers for the container engine');
      fault = { kind: 'plugin-refused', subject: path, why };
    }
  };
  let turn = look();
  let timer = clock.after(lookMs, again);
  function again(): void {
    if (isStopped) return;
    turn = turn.then(look);
    timer = clock.after(lookMs, again);
  }
  return {
    faults: () => (fault === undefined ? [] : [fault]),
    stop: async () => {
      isStopped = true;
      timer.cancel();
      await turn;
      if (own !== undefined && (await identityOf(path)) === own) await rm(path, { force: true });
      if (server !== undefined) await closeServer(server);
    },
  };
}

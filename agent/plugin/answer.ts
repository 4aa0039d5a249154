/** One call of the container engine, from HTTP to a method of the drivers and back; in time, and in the engine's words. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import type { Clock } from '../clock.ts';
import { parseBody, readBody } from '../unix-socket.ts';
import type { Methods } from './methods.ts';
import { errorBody, pluginMediaType } from './protocol.ts';

export interface AnswerParts {
  readonly methods: Methods;
  readonly clock: Clock;
  readonly log: Logger;
}

const maxBodyKib = 1024;
/** Below the 30 s after which newer engines give up by themselves. */
export const answerMs = 20_000;

export async function answer(request: IncomingMessage, reply: ServerResponse, parts: AnswerParts): Promise<void> {
  const { methods, clock, log } = parts;
  const name = (request.url ?? '').slice(1);
  const method = request.method === 'POST' ? methods.get(name) : undefined;
  if (method === undefined) {
    // Newer engines try calls that a driver need not know; 404 is how they learn of it.
    request.resume();
    return send(reply, 404, errorBody(name, `the driver has no '${name.slice(0, 64)}'`));
  }
  try {
    const body = await readJson(request);
    const value = await inTime(method(body), clock);
    log.debug({ method: name }, 'the container engine asked');
    send(reply, 200, value);
  } catch (error) {
    const { code, message } = asWarrenError(error);
    log.warn({ method: name, code, why: message }, 'refused the container engine');
    send(reply, 200, errorBody(name, message));
  }
}

/** What goes on behind is not stopped; the engine may ask again and finds it done. */
async function inTime<T>(work: Promise<T>, clock: Clock): Promise<T> {
  let stop = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    const timer = clock.after(answerMs, () => reject(new WarrenError('timeout', 'the agent was not done in time')));
    stop = () => timer.cancel();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    stop();
  }
}

/** moby sends no content type, and no body for some calls. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = (await readBody(request, maxBodyKib)).trim();
  return text === '' || text === 'null' ? {} : parseBody(text);
}

/** Not kept open: who answers the next call may be another process. */
function send(reply: ServerResponse, status: number, value: unknown): void {
  reply.writeHead(status, { 'content-type': pluginMediaType, connection: 'close' });
  reply.end(JSON.stringify(value));
}

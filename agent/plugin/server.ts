/**
 * The socket where the container engine finds its drivers. Whatever is asked, an answer comes in time: the engine waits
 * without end, and holds locks while it waits. The socket is there exactly while somebody answers on it, as far as a
 * process can see to that.
 */
import { chmod, mkdir, rename, rm, stat } from 'node:fs/promises';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import type { Clock } from '../clock.ts';
import { isMissing } from '../durable.ts';
import type { Fault } from '../failures.ts';
import type { Methods } from './methods.ts';
import { errorBody, pluginMediaType } from './protocol.ts';

export interface PluginServer {
  faults(): readonly Fault[];
  /** The socket is gone and every call that had begun is answered. */
  stop(): Promise<void>;
}

export interface PluginServerOptions {
  readonly path: string;
  readonly methods: Methods;
  readonly clock: Clock;
  readonly log: Logger;
}

const maxBodyBytes = 1024 * 1024;
/** Below the 30 s after which newer engines give up by themselves. */
const answerMs = 20_000;
/** The engine empties its folder at times, and another agent that listened there may have ended. */
const lookMs = 10_000;

export function servePlugin({ path, methods, clock, log }: PluginServerOptions): PluginServer {
  const handle = (request: IncomingMessage, reply: ServerResponse): void => {
    void answer(request, reply, methods, { clock, log }).catch(() => reply.destroy());
  };
  let server: Server | undefined;
  let own: string | undefined;
  let fault: Fault | undefined;
  let isStopped = false;
  const look = async (): Promise<void> => {
    try {
      if (own === undefined || (await identityOf(path)) !== own) {
        void closeServer(server);
        server = createServer({ requestTimeout: answerMs }, handle);
        own = await takePlace(server, path, log);
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
      await closeServer(server);
    },
  };
}

/**
 * Listens under another name and moves the socket over what is there, so that there is no moment without one. Answers
 * the socket's identity, or undefined where somebody else answers there.
 */
async function takePlace(server: Server, path: string, log: Logger): Promise<string | undefined> {
  if (await isAlive(path)) {
    log.debug({ path }, 'another process serves the drivers there');
    return undefined;
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.new`;
  await rm(temporary, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(temporary, () => {
      server.off('error', reject);
      resolve();
    });
  });
  await chmod(temporary, 0o600);
  await rename(temporary, path);
  log.info({ path }, 'drivers for the container engine are served');
  return identityOf(path);
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function identityOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path);
    return `${dev}:${ino}`;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** What was asked already is still answered. */
async function closeServer(server: Server | undefined): Promise<void> {
  if (server?.listening !== true) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  await closed;
}

interface Tools {
  readonly clock: Clock;
  readonly log: Logger;
}

async function answer(
  request: IncomingMessage,
  reply: ServerResponse,
  methods: Methods,
  { clock, log }: Tools,
): Promise<void> {
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
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request as AsyncIterable<string>) {
    text += chunk;
    if (text.length > maxBodyBytes) throw new WarrenError('body-too-large', 'the body is longer than 1 MiB');
  }
  if (text.trim() === '' || text.trim() === 'null') return {};
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new WarrenError('request-invalid', 'the body is not JSON', { cause });
  }
}

function send(reply: ServerResponse, status: number, value: unknown): void {
  reply.writeHead(status, { 'content-type': pluginMediaType });
  reply.end(JSON.stringify(value));
}

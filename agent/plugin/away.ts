/**
 * Stands in for the agent on the engine's socket while there is none: the engine would wait 15 s for each call that
 * nobody answers, 60 s to stop a container. What takes away is done here, on the same book and links; so is what the
 * saved map alone can tell. What needs an agent (an address, a link) waits for one for a moment after the last has ended,
 * because most of those are only being restarted, and is refused at once from then on. It must never work beside an agent.
 */
import type { Logger } from 'pino';
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Slots } from '../attach/slots.ts';
import type { Clock } from '../clock.ts';
import type { System } from '../system/run.ts';
import { askSocket, isAnswered } from '../unix-socket.ts';
import { answerMs } from './answer.ts';
import type { PluginBook } from './book.ts';
import { createIpamDriver } from './ipam.ts';
import { createPortLinks } from './links.ts';
import { type Method, type Methods, createMethods } from './methods.ts';
import { createNetworkDriver } from './network.ts';
import { type Place, yieldMethod } from './place.ts';
import { servePlugin } from './server.ts';

export interface AwayParts {
  readonly place: Place;
  /** The driver's name in the engine. */
  readonly name: string;
  readonly seed: string;
  /** Socket that every agent of this instance listens on before it reads a book. */
  readonly agentSocket: string;
  /** Read when it is certain that no agent runs; undefined: this machine is in no mesh any more. */
  readonly open: () => Promise<AwayState | undefined>;
  readonly system: System;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface AwayState {
  readonly book: PluginBook;
  readonly leases: readonly Cidr[];
}

export interface Away {
  /** Resolves when somebody else answers the engine, or there is nothing to stand in for, and all calls are answered. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** Longer than a restart by systemd takes, shorter than the 15 s of the engine's own patience. */
const graceMs = 10_000;
const lookMs = 500;

export function standIn(parts: AwayParts): Away {
  const { place, clock, log } = parts;
  let end: (how: 'replaced' | 'nothing') => void = () => undefined;
  const over = new Promise<'replaced' | 'nothing'>((resolve) => (end = resolve));
  const stop = (): void => end('nothing');
  let grace = { cancel: (): void => undefined };
  const late = new Promise<'late'>((resolve) => (grace = clock.after(graceMs, () => resolve('late'))));
  /** The answer of the agent that took the socket over. */
  const askNext: AskNext = async (name, body) => {
    // Only then: until it is taken over, the socket is this process's own.
    if ((await Promise.race([over, late])) !== 'replaced') throw noAgent();
    return ask(place.path, name, body);
  };
  const desk = createDesk(parts, askNext, stop);
  const { methods } = desk;
  const onOthers = (): void => end('replaced');
  const server = servePlugin({ place, clock, log, methods, lookMs, onTaken: () => desk.open(), onOthers });
  const finish = async (): Promise<void> => {
    const how = await over;
    grace.cancel();
    await server.stop();
    log.info({ how }, 'the stand-in ends');
  };
  const ended = finish();
  return {
    ended,
    stop: () => {
      stop();
      return ended;
    },
  };
}

type AskNext = (name: string, body: unknown) => Promise<unknown>;

interface Desk {
  readonly methods: Methods;
  /** On each taking of the socket: whoever starts later finds it answered, and asks for it before it reads a book. */
  open(): void;
}

function createDesk(parts: AwayParts, askNext: AskNext, end: () => void): Desk {
  const { place, log } = parts;
  let isYielding = false;
  let state: AwayState | undefined;
  let opening = new Promise<void>(() => undefined);
  const drivers = createDrivers(parts, () => {
    if (state === undefined) throw noAgent();
    return state;
  });
  const open = async (): Promise<void> => {
    isYielding ||= await isAnswered(parts.agentSocket);
    if (isYielding) return;
    state = await parts.open();
    if (state === undefined) end();
  };
  const answer = async (name: string, method: Method, body: unknown): Promise<unknown> => {
    await opening;
    if (isYielding) return askNext(name, body);
    try {
      return await method(body);
    } catch (error) {
      if (!(error instanceof WarrenError) || error.code !== 'agent-not-running') throw error;
      return askNext(name, body);
    }
  };
  const makeWay: Method = async (body) => {
    if (ownerSchema.safeParse(body).data?.owner !== place.owner) {
      throw new WarrenError('conflict', `this is the stand-in of the agent with the state ${place.owner}`);
    }
    isYielding = true;
    // What had begun is in the file before the next one reads it.
    await state?.book.change((page) => page);
    return { isYielding };
  };
  return {
    methods: new Map<string, Method>([
      ...[...drivers].map(([name, method]): [string, Method] => [name, (body) => answer(name, method, body)]),
      [yieldMethod, makeWay],
    ]),
    open: () => {
      opening = open().catch((error: unknown) => log.error({ err: error }, 'the saved state cannot be read'));
    },
  };
}

const ownerSchema = z.object({ owner: z.string() });

/** The same drivers as the agent's, but for what is chosen among everything the host has. */
function createDrivers({ name, seed, system }: AwayParts, state: () => AwayState): Methods {
  const links = createPortLinks(system, seed, () => Promise.reject(noAgent()));
  const book: PluginBook = { read: () => state().book.read(), change: async (fn) => state().book.change(fn) };
  const common = { book, slots: noSlots, leases: () => state().leases };
  return createMethods(name, createNetworkDriver({ ...common, links }), createIpamDriver(common));
}

const noSlots: Pick<Slots, 'take' | 'settle' | 'isEngines'> = {
  take: () => {
    throw noAgent();
  },
  settle: () => undefined,
  isEngines: () => false,
};

const noAgent = (): WarrenError =>
  new WarrenError(
    'agent-not-running',
    'the Warren agent is not running; start it (systemctl start warren-agent) and try again',
  );

async function ask(path: string, name: string, body: unknown): Promise<unknown> {
  try {
    const reply = await askSocket(path, `/${name}`, JSON.stringify(body), answerMs);
    return JSON.parse(reply.body) as unknown;
  } catch {
    throw noAgent();
  }
}

/** One host's drivers over a fake kernel, which may be killed and started again between any two calls. */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createSlots } from '../../../agent/attach/slots.ts';
import { type PluginBook, openPluginBook, slotsInUse } from '../../../agent/plugin/book.ts';
import { createIpamDriver } from '../../../agent/plugin/ipam.ts';
import { createPortLinks } from '../../../agent/plugin/links.ts';
import { type Methods, createMethods } from '../../../agent/plugin/methods.ts';
import { createNetworkDriver } from '../../../agent/plugin/network.ts';
import { asWarrenError } from '../../../shared/errors.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import { FakeHost } from '../../support/fake-host.ts';

export const leases = [parseCidr('10.210.1.0/24'), parseCidr('fd00:1:2:8001::/64')];

export class Drivers {
  readonly host = new FakeHost();
  saved: string | undefined;
  /** Slots that something else on this host has. */
  readonly elsewhere = new Set<number>();
  /** The disk is full. */
  isFull = false;
  book: PluginBook = openPluginBook(undefined, () => Promise.resolve());
  #methods: Methods = new Map();

  constructor() {
    this.host.hand('ip link add dev warren-br mtu 1420 type bridge');
    this.restart();
  }

  /** What was in memory is gone. */
  restart(): void {
    const slots = createSlots();
    const book = openPluginBook(this.saved, (json) => {
      if (this.isFull) return Promise.reject(new Error('no space left on device'));
      this.saved = json;
      return Promise.resolve();
    });
    slots.addBook(() => slotsInUse(book.read(), leases));
    slots.addBook(() => this.elsewhere);
    const place = () => Promise.resolve({ bridgeName: 'warren-br', mark: 'warren:habcdefghijklmn23', mtu: 1420 });
    const links = createPortLinks(this.host.system, 'default/warren-br', place);
    const parts = { book, slots, leases: () => leases, links };
    this.book = book;
    this.#methods = createMethods('warren', createNetworkDriver(parts), createIpamDriver(parts));
  }

  /** As the engine would be answered. */
  async call(method: string, body: unknown): Promise<Record<string, unknown>> {
    try {
      return (await this.#methods.get(method)?.(body)) as Record<string, unknown>;
    } catch (error) {
      const { message } = asWarrenError(error);
      return method.startsWith('IpamDriver.') ? { Error: message } : { Err: message };
    }
  }

  ports(): string[] {
    return [...this.host.main.links.keys()].filter((name) => name.startsWith('wv') || name.startsWith('wp'));
  }

  /** The engine takes the container's end into the container, and gives it back when the container ends. */
  takeIntoContainer(sourceName: string): void {
    this.host.main.links.delete(sourceName);
  }
}

export interface Recorded {
  readonly note?: string;
  readonly method: string;
  readonly body: unknown;
  readonly reply: Record<string, unknown>;
}

/** What a real engine asked a real agent, in order: networks, containers, restarts of the engine, and the end of all. */
export function readRecording(engine: string): Recorded[] {
  const text = readFileSync(new URL(`recorded/docker-${engine}.jsonl`, import.meta.url), 'utf8');
  const lines = text.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Recorded).filter(({ note }) => note === undefined);
}

export interface Answer {
  status: number;
  type: string | undefined;
  body: string;
}

/** As moby does: no content type, and no body at all for some calls. */
export function ask(socketPath: string, method: string, body = '', verb = 'POST'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: `/${method}`, method: verb, agent: false }, (reply) => {
      let text = '';
      reply.on('data', (chunk: Buffer) => (text += chunk.toString()));
      reply.on('end', () =>
        resolve({ status: reply.statusCode ?? 0, type: reply.headers['content-type'], body: text }),
      );
    });
    call.on('error', reject);
    call.end(body);
  });
}

/**
 * One agent as the server sees it: real keys, a real certificate request, mutual TLS 1.3, the real feed protocol. It keeps
 * no map and no tunnel; it counts bytes and notes when it was told.
 */
import { randomBytes } from 'node:crypto';
import { type ConnectionOptions, type SecureContext, type TLSSocket, connect, createSecureContext } from 'node:tls';
import { makeCsr, makeIdentityKey } from '../../../agent/identity.ts';
import { openFeed } from '../../../shared/api/feed.ts';
import { protocolHeader, protocolVersion } from '../../../shared/protocol.ts';
import { monotonicMs } from './clock.ts';

export interface Place {
  readonly host: string;
  readonly port: number;
  /** PEM of the mesh's CA. */
  readonly ca: string;
}

/** A real WireGuard interface that stands for the agent's. */
export interface Tunnel {
  readonly publicKey: string;
  readonly endpoint: string;
}

export interface FeedStart {
  /** What the agent claims to have; undefined asks for the full map. */
  readonly cursor: string | undefined;
  /** Offers the TLS session of the last connection. */
  readonly isResuming: boolean;
  /** At most this many agents of each process; all by default. */
  readonly atMost?: number;
}

/** Markers of the frame that ends the server's first answer. */
const answers = ['event: current', 'event: delta', 'event: map'];

export class SimulatedAgent {
  readonly number: number;
  readonly name: string;
  readonly publicKey: string;
  /** Where its tunnel is said to be; undefined for one that does not exist. */
  readonly endpoint: string | undefined;
  readonly identityKey = makeIdentityKey();
  csr = '';
  hostId = '';
  certificate = '';
  /** Of the last connection. */
  isResumed = false;
  feedBytes = 0;
  /** When the last complete delta came since `expect`, ms; NaN before. */
  toldAt = NaN;
  #context: SecureContext | undefined;
  #session: Buffer | undefined;
  #socket: TLSSocket | undefined;

  constructor(number: number, tunnel?: Tunnel) {
    this.number = number;
    this.publicKey = tunnel?.publicKey ?? randomBytes(32).toString('base64');
    this.endpoint = tunnel?.endpoint;
    this.name = `sim-${String(number).padStart(5, '0')}`;
  }

  /** Each agent calls from an address of its own, as hosts do. */
  get localAddress(): string {
    return `127.16.${this.number >> 8}.${this.number & 255}`;
  }

  async prepare(): Promise<void> {
    this.csr = await makeCsr(this.identityKey, this.name);
  }

  credentials(place: Place): SecureContext {
    this.#context ??= createSecureContext({
      ca: place.ca,
      key: this.identityKey,
      cert: this.certificate,
      minVersion: 'TLSv1.3',
    });
    return this.#context;
  }

  /** Resolves when the server's first answer is complete, with the time; rejects when the connection fails before. */
  open(place: Place, start: FeedStart): Promise<number> {
    return new Promise((resolve, reject) => {
      const session = start.isResuming ? this.#session : undefined;
      // Node's types leave out that options reach net.connect too.
      const options: ConnectionOptions & { localAddress: string } = {
        host: place.host,
        port: place.port,
        localAddress: this.localAddress,
        secureContext: this.credentials(place),
        checkServerIdentity: () => undefined,
        ...(session === undefined ? {} : { session }),
      };
      const socket = connect(options);
      this.#socket = socket;
      this.feedBytes = 0;
      socket.on('session', (fresh) => (this.#session = fresh));
      socket.once('secureConnect', () => {
        this.isResumed = socket.isSessionReused();
        socket.write(request(place, start.cursor));
      });
      let isReady = false;
      let kind: string | undefined;
      socket.on('data', (chunk) => {
        this.feedBytes += chunk.length;
        if (isReady) this.#take(chunk);
        else {
          kind ??= answers.find((marker) => chunk.includes(marker));
          if (kind === undefined || !isFrameEnd(chunk)) return;
          isReady = true;
          clearTimeout(deadline);
          resolve(monotonicMs());
        }
      });
      // Longer than a whole fleet needs; without it one answer that never comes would hold up the bench for ever.
      const deadline = setTimeout(() => socket.destroy(new Error('no answer within 120 s')), 120_000);
      socket.on('error', reject);
      socket.on('close', () => clearTimeout(deadline));
      socket.on('close', () => reject(new Error('closed by the server')));
    });
  }

  /** The next delta is the one that counts. */
  expect(): void {
    this.toldAt = NaN;
    this.feedBytes = 0;
  }

  close(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      socket.once('close', () => resolve());
      socket.destroy();
    });
  }

  get isOpen(): boolean {
    return this.#socket !== undefined && !this.#socket.destroyed;
  }

  #isInDelta = false;

  #take(chunk: Buffer): void {
    this.#isInDelta ||= chunk.includes('event: delta');
    if (!this.#isInDelta || !isFrameEnd(chunk)) return;
    this.#isInDelta = false;
    this.toldAt = monotonicMs();
  }
}

const isFrameEnd = (chunk: Buffer): boolean => chunk.at(-1) === 10 && chunk.at(-2) === 10;

function request({ host, port }: Place, cursor: string | undefined): string {
  const last = cursor === undefined ? '' : `last-event-id: ${cursor}\r\n`;
  return (
    `${openFeed.method} ${openFeed.path} HTTP/1.1\r\nhost: ${host}:${port}\r\naccept: text/event-stream\r\n` +
    `${protocolHeader}: ${protocolVersion}\r\n${last}\r\n`
  );
}

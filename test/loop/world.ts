/** A whole mesh in one process: server, hosts, weather and the things that happen to them, all from one seed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readMap } from '../../server/feed/frames.ts';
import { createToken } from '../../server/tokens/tokens.ts';
import type { NetworkMap } from '../../shared/network-map.ts';
import type { Weather } from './link.ts';
import { type Chance, chanceOf } from './random.ts';
import { type Enrollment, SimulatedHost } from './simulated-host.ts';
import { type SimulatedServer, startSimulatedServer } from './simulated-server.ts';
import { type VirtualTime, installVirtualTime } from './virtual-time.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly hosts: number;
}

export class World {
  readonly chance: Chance;
  readonly time: VirtualTime;
  readonly hosts: SimulatedHost[] = [];
  readonly cut = new Set<string>();
  /** What happened, for the message when a law is broken. */
  readonly log: string[] = [];
  server: SimulatedServer | undefined;
  /** Last byte of the newest address somebody got. */
  address = 0;
  /** Every revision the server was seen at; must only grow within an epoch. */
  #lastRevision = 0;
  readonly #directory: string;

  private constructor(seed: number) {
    this.chance = chanceOf(seed);
    this.time = installVirtualTime(Date.UTC(2026, 0, 1));
    this.#directory = mkdtempSync(join(tmpdir(), 'warren-loop-'));
  }

  static async create({ seed, hosts }: WorldOptions): Promise<World> {
    const world = new World(seed);
    await world.startServer();
    const weather: Weather = {
      chance: world.chance,
      server: () => world.server,
      isCut: (name) => world.cut.has(name),
      latencyMs: 80,
      repeats: 0.2,
    };
    for (let i = 1; i <= hosts; i += 1) world.hosts.push(new SimulatedHost(i, weather, world.#directory));
    return world;
  }

  async startServer(): Promise<void> {
    if (this.server !== undefined) return;
    this.server = await this.time.finish(startSimulatedServer(this.#directory, this.chance));
    this.noteRevision();
  }

  /** Streams break without a goodbye, then the process is gone; what was committed is on disk. */
  async crashServer(): Promise<void> {
    const { server } = this;
    if (server === undefined) return;
    this.noteRevision();
    this.server = undefined;
    for (const host of this.hosts) host.link?.breakStream();
    await this.time.finish(server.stop());
  }

  noteRevision(): void {
    const revision = this.server?.deps.store.position().revision ?? this.#lastRevision;
    if (revision < this.#lastRevision) throw new Error(`revision went from ${this.#lastRevision} back to ${revision}`);
    this.#lastRevision = revision;
  }

  async token(uses: number, autoApprove = true): Promise<Enrollment> {
    const { server } = this;
    if (server === undefined) throw new Error('no server');
    const body = { uses, tags: [], autoApprove, ephemeral: false };
    const { stored, secret } = await this.time.finish(
      server.deps.store.transact('server', (tx) => createToken(tx, body)),
    );
    return { tokenId: stored.id, tokenSecret: secret.reveal() };
  }

  async fullMap(): Promise<NetworkMap> {
    const { server } = this;
    if (server === undefined) throw new Error('no server');
    return this.time.finish(readMap(server.deps.store));
  }

  async end(): Promise<void> {
    try {
      for (const host of this.hosts) await this.time.finish(host.stop());
      await this.crashServer();
    } finally {
      this.time.restore();
      rmSync(this.#directory, { recursive: true, force: true });
    }
  }
}

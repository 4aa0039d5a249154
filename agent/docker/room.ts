/**
 * The agent's container room: keeps Warren's network in the engine, learns what runs there, and tells the rest of the
 * agent. It is level-triggered like the reconciler and apart from it, so that an engine that hangs holds nobody up: any
 * event only wakes a round (look, plan, apply). It never touches the kernel.
 */
import type { Logger } from 'pino';
import type { AdvertisedRoute } from '../../shared/network-map.ts';
import type { Address } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Workload } from '../../shared/workload.ts';
import { asWarrenError } from '../../shared/errors.ts';
import type { Clock } from '../clock.ts';
import type { Fault } from '../failures.ts';
import type { EngineFacts } from '../plan/local.ts';
import { createRounds } from '../reconcile/rounds.ts';
import { createTimers } from '../reconcile/timers.ts';
import type { Network } from './api.ts';
import { type Choices, describeJoined } from './joined.ts';
import { type Connection, connectEngine } from './connection.ts';
import { type ContainerBook, createContainerBook } from './container-book.ts';
import type { Engine } from './engine.ts';
import { keepNetwork } from './keep-network.ts';
import type { WantedNetwork } from './network.ts';
import type { EngineEndpoint } from './endpoint.ts';

export interface DockerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Undefined: no engine is looked for. */
  readonly socketPath: string | undefined;
  /** What the network should be by the newest map; undefined while the bridge is not there. */
  readonly wanted: () => Omit<WantedNetwork, 'firewall'> | undefined;
  /** Prefixes whose addresses are on the mesh: this host's leases and its approved subnets. */
  readonly own: () => readonly Cidr[];
  /** Networks that the user had join by command, by name. */
  readonly choices: Choices;
  /** Addresses of the lease that others of this host hold. */
  readonly taken: () => readonly Address[];
  /** True where a link of this name with an address of this subnet is in the agent's own network namespace. */
  readonly isHere: (linkName: string, subnet: Cidr) => Promise<boolean>;
  readonly onWorkloads: (workloads: readonly Workload[]) => void;
  /** The network is there: the upper half of the lease is the engine's. */
  readonly onShared: (isShared: boolean) => void;
  /** Facts, faults or running containers are others now. */
  readonly onChange: () => void;
}

export interface Docker {
  facts(): EngineFacts;
  /** Subnets of networks that would join, for an operator to approve. */
  wishes(): readonly AdvertisedRoute[];
  faults(): readonly Fault[];
  /** What there is to know for people; undefined while no engine answers. */
  view(): DockerView | undefined;
  /** Addresses that containers hold, whatever their name. */
  addresses(): readonly string[];
  /** Of containers on the mesh with bridges of the engine's own. */
  endpoints(): readonly EngineEndpoint[];
  /** The container's process now. Throws `not-found`, or `unreachable` where no engine answers. */
  resolve(name: string): Promise<ResolvedContainer>;
  /** Something that a round goes by has changed. */
  wake(): void;
  /** After a whole round that began after the call. */
  settle(): Promise<void>;
  networks(): readonly Network[];
  /** Undefined while none answers, or the one that does is another host's. */
  engine(): Engine | undefined;
  stop(): Promise<void>;
}

export interface DockerView {
  readonly version: string;
  readonly network: string | null;
  readonly containers: number;
}

export interface ResolvedContainer {
  readonly id: string;
  /** Without the slash that Docker puts before it. */
  readonly name: string;
  readonly isRunning: boolean;
  /** 0 while it does not run. */
  readonly pid: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly env: readonly string[];
}

const slowMs = 30_000;
const retryMs = 2_000;
/** Events come in crowds; a container that died is dropped before this. */
const gatherMs = 40;

export function startDocker(options: DockerOptions): Docker {
  const { clock, log } = options;
  const timers = createTimers(clock);
  const book: ContainerBook = createContainerBook(options);
  let connection: Connection | undefined;
  let networks: readonly Network[] = [];
  let faults: readonly Fault[] = [];
  let facts: EngineFacts = { firewall: 'none', networks: [] };
  let wishes: readonly AdvertisedRoute[] = [];
  let networkId: string | undefined;
  const stopped = new AbortController();

  const later = (): void => timers.later('gather', gatherMs, () => rounds.ask());
  const round = async (): Promise<void> => {
    if (options.socketPath === undefined || stopped.signal.aborted) return;
    try {
      // What happened while no engine was listened to is known to nobody.
      if (connection === undefined) book.forget();
      connection ??= await connectEngine(options.socketPath, options.isHere, {
        onEvent: (event) => {
          if (book.hear(event)) options.onChange();
          later();
        },
        onEnd: () => {
          connection = undefined;
          log.info('the container engine is gone');
          timers.later('retry', retryMs, () => rounds.ask());
        },
      });
      await look(connection);
    } catch (error) {
      noteTrouble(asWarrenError(error));
    }
    options.onChange();
  };
  const look = async (to: Connection): Promise<void> => {
    const { engine, firewall } = to;
    const kept = await keepNetwork(to, options, log);
    networks = kept.networks;
    networkId = kept.own?.Id;
    if (kept.isMade) options.onShared(true);
    const joined = describeJoined(networks, options.choices.list(), options.own());
    facts = { firewall, networks: joined.networks };
    wishes = joined.wishes;
    await book.look(engine, networks);
    faults = [...kept.faults, ...joined.faults, ...book.faults()];
    if (kept.faults.length > 0) timers.later('retry', retryMs, () => rounds.ask());
  };
  /** No engine at all is no trouble; what ran there is gone with it, unless it comes back with its containers alive. */
  const noteTrouble = ({ code, message }: { code: string; message: string }): void => {
    connection?.close();
    connection = undefined;
    faults = code === 'unreachable' ? [] : [{ kind: 'docker', subject: 'engine', why: message }];
    timers.later('retry', retryMs, () => rounds.ask());
  };
  const rounds = createRounds(round, (error) => log.error({ err: error }, 'the container room broke'));
  timers.every('slow', slowMs, () => {
    book.forget();
    rounds.ask();
  });
  rounds.ask();

  const engineOrThrow = async (): Promise<Connection> => {
    if (connection === undefined) await rounds.settle();
    return connection ?? (await connectEngine(options.socketPath ?? '', options.isHere, undefined));
  };
  return {
    facts: () => facts,
    wishes: () => wishes,
    faults: () => faults,
    view: () =>
      connection === undefined
        ? undefined
        : {
            version: connection.version,
            network: networkId === undefined ? null : (options.wanted()?.name ?? null),
            containers: book.count(),
          },
    addresses: () => book.addresses(),
    endpoints: () => book.endpoints(),
    networks: () => networks,
    engine: () => connection?.engine,
    resolve: async (name) => book.resolve((await engineOrThrow()).engine, name),
    wake: later,
    settle: () => rounds.settle(),
    stop: async () => {
      timers.stop();
      stopped.abort();
      connection?.close();
      await rounds.stop();
    },
  };
}

/**
 * The agent's name server. It answers from the saved map, so names go on without the coordination server; it listens on
 * the bridge's own addresses as soon as they are there; what is not the mesh's goes to the host's own servers.
 */
import type { Logger } from 'pino';
import type { HostId } from '../../shared/names.ts';
import type { Address } from '../../shared/net/address.ts';
import { type Cidr, containsAddress } from '../../shared/net/cidr.ts';
import { isAddress } from '../../shared/net/address.ts';
import type { NetworkMap } from '../../shared/network-map.ts';
import type { Workload } from '../../shared/workload.ts';
import type { Clock } from '../clock.ts';
import type { Fault } from '../failures.ts';
import { createTimers } from '../reconcile/timers.ts';
import { createAllowance } from './allowance.ts';
import { addressesIn, answer, failure } from './answer.ts';
import { containerResolvers, parseResolvConf } from './resolv-conf.ts';
import { type Listener, type Respond, listenOn } from './server.ts';
import { createUpstream } from './upstream.ts';
import { type NamedAddresses, type Zone, buildZone } from './zone.ts';

export interface NamesOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** 0 serves no names; 53 but in tests. */
  readonly port: number;
  readonly selfId: HostId;
  readonly map: () => NetworkMap | undefined;
  readonly own: () => readonly Workload[];
  /** Whose questions are answered: prefixes of this host's containers. */
  readonly askers: () => readonly Cidr[];
  readonly readResolvConf: () => Promise<string>;
  readonly onChange: () => void;
}

export interface Names {
  /** The bridge's own addresses now. */
  listen(addresses: readonly Address[]): void;
  /** What containers are led here from; undefined while nothing is served. */
  /** Resolves when the host's name servers are known, or cannot be. */
  ready(): Promise<void>;
  resolvers(): readonly Address[] | undefined;
  list(): readonly NamedAddresses[];
  /** As a container would ask, but from within. */
  ask(query: Buffer): Promise<Buffer>;
  zone(): Zone | undefined;
  faults(): readonly Fault[];
  stop(): void;
}

const retryMs = 2_000;
/** How long a read list of the host's name servers counts. */
const resolvConfMs = 5_000;
const mostForwards = 512;
const mostForwardsOfOne = 64;

export function startNames(options: NamesOptions): Names {
  const { clock, log, port, onChange } = options;
  const timers = createTimers(clock);
  const upstream = createUpstream();
  const listeners = new Map<Address, Listener>();
  const opening = new Set<Address>();
  let wanted: readonly Address[] = [];
  let faults = new Map<Address, Fault>();
  let servers: { readonly at: number; readonly list: readonly Address[] } | undefined;
  let cached: { readonly map: NetworkMap; readonly own: readonly Workload[]; readonly zone: Zone } | undefined;
  const allowance = createAllowance();
  const inFlight = new Map<string, number>();
  /** Asked of the host's servers now. */
  const questions = new Map<string, number>();
  let total = 0;

  const zone = (): Zone | undefined => {
    const map = options.map();
    const own = options.own();
    if (map === undefined) return undefined;
    if (cached?.map !== map || cached.own !== own)
      cached = { map, own, zone: buildZone({ map, selfId: options.selfId, own }) };
    return cached.zone;
  };
  const readServers = async (): Promise<readonly Address[]> => {
    if (servers !== undefined && clock.now() - servers.at < resolvConfMs) return servers.list;
    const text = await options.readResolvConf().catch((error: unknown) => {
      log.debug({ err: error }, 'name servers not read');
      return undefined;
    });
    // The last that was read goes on.
    if (text === undefined) return servers?.list ?? [];
    const list = parseResolvConf(text);
    const isSame = servers?.list.join() === list.join();
    servers = { at: clock.now(), list };
    if (!isSame) onChange();
    return list;
  };
  /** Bounded for all and for each asker; a question that comes back from a server we ask is a loop. */
  const forward = async (query: Buffer, question: string, from: string, isTcp: boolean): Promise<Buffer> => {
    const asked = (await readServers()).filter((server) => !wanted.includes(server));
    const ofOne = inFlight.get(from) ?? 0;
    // A forwarder of this host that hands it back does so from the address it asks.
    const isBack = wanted.some((address) => address === from) && questions.has(question);
    const isLoop = isBack || asked.some((server) => server === from);
    if (asked.length === 0 || isLoop || total >= mostForwards || ofOne >= mostForwardsOfOne)
      return failure(query, 'servfail');
    inFlight.set(from, ofOne + 1);
    total += 1;
    questions.set(question, (questions.get(question) ?? 0) + 1);
    try {
      const reply = await upstream.ask(query, asked, isTcp);
      // Nobody outside speaks for addresses of the mesh (DNS rebinding).
      const isBelievable = reply !== undefined && !addressesIn(reply).some((address) => zone()?.isInside(address));
      return isBelievable ? reply : failure(query, 'servfail');
    } finally {
      total -= 1;
      const same = (questions.get(question) ?? 1) - 1;
      if (same === 0) questions.delete(question);
      else questions.set(question, same);
      const left = (inFlight.get(from) ?? 1) - 1;
      if (left === 0) inFlight.delete(from);
      else inFlight.set(from, left);
    }
  };
  const respond: Respond = async (query, from, isTcp) => {
    const asker = from.replace(/%.*$/, '');
    if (!isAddress(asker) || !options.askers().some((prefix) => containsAddress(prefix, asker))) return undefined;
    return allowance.take(asker, clock.now()) ? respondTo(query, asker, isTcp) : undefined;
  };
  const respondTo = async (query: Buffer, from: string, isTcp: boolean): Promise<Buffer | undefined> => {
    const outcome = answer(query, zone(), { isTcp, random: () => clock.random() });
    if (outcome.kind === 'drop') return undefined;
    return outcome.kind === 'reply' ? outcome.bytes : forward(query, outcome.question, from, isTcp);
  };
  const open = async (address: Address): Promise<void> => {
    if (listeners.has(address) || opening.has(address)) return;
    opening.add(address);
    try {
      const listener = await listenOn(address, port, respond);
      if (wanted.includes(address)) listeners.set(address, listener);
      else listener.close();
      if (faults.delete(address)) onChange();
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      const why =
        code === 'EADDRINUSE'
          ? `somebody else answers on ${address} port ${port}; let it leave the bridge's address alone, or set WARREN_DNS=off`
          : `cannot listen on ${address} port ${port} (${code})`;
      if (faults.get(address)?.why !== why) {
        faults = new Map(faults).set(address, { kind: 'names', subject: address, why });
        onChange();
      }
      timers.later('retry', retryMs, settle);
    } finally {
      opening.delete(address);
    }
  };
  const settle = (): void => {
    for (const [address, listener] of listeners) {
      if (wanted.includes(address)) continue;
      listener.close();
      listeners.delete(address);
    }
    for (const address of wanted) void open(address);
  };
  if (port !== 0) {
    const refresh = async (): Promise<void> => void (await readServers());
    void refresh();
    timers.every('servers', resolvConfMs, refresh);
  }
  return {
    listen: (addresses) => {
      if (port === 0 || addresses.join() === wanted.join()) return;
      wanted = addresses;
      for (const address of faults.keys()) if (!wanted.includes(address)) faults.delete(address);
      settle();
    },
    ready: async () => {
      if (port !== 0) await readServers();
    },
    resolvers: () => (port === 0 || servers === undefined ? undefined : containerResolvers(servers.list)),
    list: () => zone()?.list() ?? [],
    ask: async (query) => (await respondTo(query, 'self', true)) ?? failure(query, 'formerr'),
    zone,
    faults: () => [...faults.values()],
    stop: () => {
      timers.stop();
      wanted = [];
      settle();
    },
  };
}

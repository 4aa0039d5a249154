/**
 * The container engine's network and IPAM drivers of one agent: put together of the agent's parts, served while it runs.
 * They are answered from the saved map and book, so they work without the server. Nothing here ever asks the engine while
 * the engine waits for an answer.
 */
import type { Logger } from 'pino';
import { WarrenError } from '../../shared/errors.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { Slots } from '../attach/slots.ts';
import type { Clock } from '../clock.ts';
import type { Engine } from '../docker/engine.ts';
import type { Reconciler } from '../reconcile.ts';
import type { PortBinding } from '../plan/local.ts';
import type { System } from '../system/run.ts';
import type { PluginBook } from './book.ts';
import { startCollector } from './collector.ts';
import { createIpamDriver } from './ipam.ts';
import { type PortPlace, createPortLinks, portNames } from './links.ts';
import { createMethods } from './methods.ts';
import { createNetworkDriver } from './network.ts';
import type { Place } from './place.ts';
import { driverName } from './settings.ts';
import { type PluginServer, servePlugin } from './server.ts';

export interface PluginParts {
  /** Undefined: no drivers are served. */
  readonly place: Place | undefined;
  readonly book: PluginBook;
  readonly slots: Slots;
  readonly leases: () => readonly Cidr[];
  readonly system: System;
  readonly clock: Clock;
  readonly log: Logger;
  /** Tells this instance's links from another's on the same machine. */
  readonly seed: string;
  readonly reconciler: Pick<Reconciler, 'reached' | 'settle'>;
  readonly engine: () => Engine | undefined;
}

export function startPlugin(parts: PluginParts): PluginServer {
  const { place, book, slots, leases, system, clock, log, seed, reconciler, engine } = parts;
  if (place === undefined) return { faults: () => [], stop: () => Promise.resolve() };
  const links = createPortLinks(system, seed, () => placeOf(reconciler));
  const network = createNetworkDriver({ book, slots, leases, links });
  const ipam = createIpamDriver({ book, slots, leases });
  const name = driverName(place.path);
  const server = servePlugin({ place, methods: createMethods(name, network, ipam), clock, log });
  const collector = startCollector({ name, book, links, clock, log, engine });
  return {
    faults: () => server.faults(),
    stop: async () => {
      collector.stop();
      await server.stop();
    },
  };
}

/** Host ends of the links of all endpoints, whether they are there or not. */
export function portsOf(book: PluginBook, seed: string): string[] {
  return [...book.read().endpoints.keys()].map((id) => portNames(seed, id)[0]);
}

export function bindingsOf(book: PluginBook, seed: string): PortBinding[] {
  return [...book.read().endpoints.values()].map(({ id, addresses, mac }) => ({
    port: portNames(seed, id)[0],
    addresses,
    mac: mac.toLowerCase(),
    isOurs: true,
  }));
}

async function placeOf(reconciler: Pick<Reconciler, 'reached' | 'settle'>): Promise<PortPlace> {
  const desired = reconciler.reached().desired ?? (await reconciler.settle()).desired;
  if (desired?.bridge === undefined) {
    throw new WarrenError(
      'no-lease',
      'this host has no usable container subnet now; see the failures in warren status',
    );
  }
  return { bridgeName: desired.bridgeName, mark: desired.mark, mtu: desired.bridge.mtu };
}

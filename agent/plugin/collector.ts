/** Looks at the engine now and then, and tidies the book by what it says. An engine that does not answer changes nothing. */
import { z } from 'zod';
import type { Logger } from 'pino';
import { asWarrenError } from '../../shared/errors.ts';
import type { Clock } from '../clock.ts';
import type { Engine } from '../docker/engine.ts';
import { createTimers } from '../reconcile/timers.ts';
import type { PluginBook } from './book.ts';
import { type EngineView, type EngineViewNetwork, type Suspects, collect, noSuspects } from './collect.ts';
import type { PortLinks } from './links.ts';

export interface Collector {
  stop(): void;
}

export interface CollectorOptions {
  /** The driver's name in the engine. */
  readonly name: string;
  readonly book: PluginBook;
  readonly links: PortLinks;
  readonly clock: Clock;
  readonly log: Logger;
  /** Undefined while no engine of this host answers. */
  readonly engine: () => Engine | undefined;
}

const firstMs = 1_000;
/** An endpoint that is being made is not in the engine's books yet; between two looks it has long come there. */
const everyMs = 30_000;

export function startCollector(options: CollectorOptions): Collector {
  const { engine, clock, log } = options;
  const timers = createTimers(clock);
  let suspects = noSuspects;
  const look = async (): Promise<void> => {
    const answering = engine();
    try {
      suspects =
        answering === undefined ? noSuspects : await tidy(options, await viewOf(answering, options.name), suspects);
    } catch (error) {
      // What was missing at the last look may be back before the next one.
      suspects = noSuspects;
      log.debug({ why: asWarrenError(error).message }, 'the container engine was not asked what it has');
    }
  };
  timers.later('first', firstMs, () => void look());
  timers.every('again', everyMs, look);
  return { stop: () => timers.stop() };
}

async function tidy({ book, links, log }: CollectorOptions, view: EngineView, before: Suspects): Promise<Suspects> {
  let suspects = before;
  let removed: readonly string[] = [];
  await book.change((page) => {
    const collected = collect(page, view, before);
    suspects = collected.suspects;
    removed = collected.removedEndpoints;
    return collected.page;
  });
  for (const id of removed) await links.remove(id);
  if (removed.length > 0) log.info({ endpoints: removed.length }, 'removed what the container engine lost');
  return suspects;
}

const listSchema = z.array(
  z.object({
    Id: z.string(),
    Driver: z.string(),
    Options: z.record(z.string(), z.string()).nullish(),
    IPAM: z
      .object({
        Driver: z.string().default(''),
        Config: z.array(z.object({ AuxiliaryAddresses: z.record(z.string(), z.string()).nullish() })).nullish(),
      })
      .nullish(),
  }),
);
const detailSchema = z.object({
  Containers: z
    .record(
      z.string(),
      z.object({
        EndpointID: z.string(),
        MacAddress: z.string().default(''),
        IPv4Address: z.string().default(''),
        IPv6Address: z.string().default(''),
      }),
    )
    .nullish(),
});

async function viewOf(engine: Engine, name: string): Promise<EngineView> {
  const networks: EngineViewNetwork[] = [];
  for (const one of await engine.get('/networks', listSchema)) {
    if (one.Driver !== name && one.IPAM?.Driver !== name) continue;
    const { Containers } = await engine.get(`/networks/${encodeURIComponent(one.Id)}`, detailSchema);
    networks.push({
      id: one.Id,
      isOurs: one.Driver === name,
      segment: one.Options?.['segment'],
      endpoints: Object.values(Containers ?? {}).map(({ EndpointID, MacAddress, IPv4Address, IPv6Address }) => ({
        id: EndpointID,
        mac: MacAddress,
        addresses: [IPv4Address, IPv6Address].filter((address) => address !== ''),
      })),
      extra: (one.IPAM?.Config ?? []).flatMap(({ AuxiliaryAddresses }) => Object.values(AuxiliaryAddresses ?? {})),
    });
  }
  return { networks };
}

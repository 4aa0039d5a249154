/**
 * What the container engine got from its drivers here: networks, endpoints, reserved addresses. It is in the file before
 * the engine is answered, so an agent that dies between any two calls goes on where it was. One change at a time.
 */
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { type Address, addressSchema } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { segmentNameSchema } from '../../shared/workload.ts';
import { slotOf } from '../attach/slots.ts';

const networkSchema = z.strictObject({
  id: z.string(),
  /** Null: the open segment. */
  segment: segmentNameSchema.nullable(),
});
const endpointSchema = z.strictObject({
  id: z.string(),
  networkId: z.string(),
  /** IPv4 first; at most one per family. */
  addresses: z.array(addressSchema),
  mac: z.string(),
});
const savedSchema = z.strictObject({
  format: z.literal(1),
  networks: z.array(networkSchema),
  endpoints: z.array(endpointSchema),
  /** Handed out by the IPAM driver and not taken back; those of endpoints among them, most of the time. */
  reserved: z.array(addressSchema),
});

export type PluginNetwork = z.infer<typeof networkSchema>;
export type PluginEndpoint = z.infer<typeof endpointSchema>;

export interface Page {
  readonly networks: ReadonlyMap<string, PluginNetwork>;
  readonly endpoints: ReadonlyMap<string, PluginEndpoint>;
  readonly reserved: ReadonlySet<Address>;
}

export interface PluginBook {
  read(): Page;
  /** `fn` answers the next page, or the one it was given where nothing changes. */
  change(fn: (page: Page) => Page): Promise<Page>;
}

const emptyPage: Page = { networks: new Map(), endpoints: new Map(), reserved: new Set() };

/** Throws `state-corrupt` when `saved` cannot be read. */
export function openPluginBook(saved: string | undefined, save: (json: string) => Promise<void>): PluginBook {
  let page = saved === undefined ? emptyPage : parsePage(saved);
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(fn: () => Promise<T>): Promise<T> => {
    const done = turn.then(fn);
    turn = done.catch(() => undefined);
    return done;
  };
  return {
    read: () => page,
    change: (fn) =>
      inTurn(async () => {
        const next = fn(page);
        if (next !== page) await save(formatPage(next));
        page = next;
        return next;
      }),
  };
}

/** Every address that must not be given to anybody else. */
export function addressesInUse({ endpoints, reserved }: Page): Set<Address> {
  return new Set([...reserved, ...[...endpoints.values()].flatMap((one) => one.addresses)]);
}

export function slotsInUse(page: Page, leases: readonly Cidr[]): number[] {
  return [...addressesInUse(page)].flatMap((address) => slotOf(leases, address) ?? []);
}

export const withNetwork = (page: Page, network: PluginNetwork): Page => ({
  ...page,
  networks: new Map([...page.networks, [network.id, network]]),
});

/** The network and whatever endpoints it still has. */
export const withoutNetwork = (page: Page, id: string): Page => ({
  ...page,
  networks: new Map([...page.networks].filter(([key]) => key !== id)),
  endpoints: new Map([...page.endpoints].filter(([, one]) => one.networkId !== id)),
});

export const withEndpoint = (page: Page, endpoint: PluginEndpoint): Page => ({
  ...page,
  endpoints: new Map([...page.endpoints, [endpoint.id, endpoint]]),
});

export const withoutEndpoint = (page: Page, id: string): Page => ({
  ...page,
  endpoints: new Map([...page.endpoints].filter(([key]) => key !== id)),
});

export const withReserved = (page: Page, address: Address): Page => ({
  ...page,
  reserved: new Set([...page.reserved, address]),
});

export const withoutReserved = (page: Page, address: Address): Page => ({
  ...page,
  reserved: new Set([...page.reserved].filter((one) => one !== address)),
});

function formatPage({ networks, endpoints, reserved }: Page): string {
  const saved = {
    format: 1,
    networks: [...networks.values()],
    endpoints: [...endpoints.values()],
    reserved: [...reserved],
  };
  return `${JSON.stringify(saved)}\n`;
}

function parsePage(text: string): Page {
  try {
    const saved = savedSchema.parse(JSON.parse(text));
    return {
      networks: new Map(saved.networks.map((one) => [one.id, one])),
      endpoints: new Map(saved.endpoints.map((one) => [one.id, one])),
      reserved: new Set(saved.reserved),
    };
  } catch (cause) {
    const why = "what the container engine's drivers saved is damaged; it is made anew of what the engine has";
    throw new WarrenError('state-corrupt', why, { cause });
  }
}

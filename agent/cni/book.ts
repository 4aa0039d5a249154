/**
 * Interfaces that container runtimes asked for by CNI, kept over restarts of the agent. One belongs to a container, a
 * network and a name, and lives as long as its namespace: a path that is gone, or another namespace by now, frees its
 * address. Making and keeping the interface is the reconciler's part.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { type Address, addressSchema } from '../../shared/net/address.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { type Workload, labelNameSchema, parseLabel, segmentNameSchema } from '../../shared/workload.ts';
import { gatewayOf, isSlotWithin, slotAddress } from '../attach/ipam.ts';
import { type Slots, slotOf } from '../attach/slots.ts';
import { type NamespaceProbe, parseTarget } from '../attach/target.ts';
import { cniOwnerSchema } from '../local/api.ts';
import type { AttachmentSpec } from '../plan/settings.ts';

export type CniOwner = z.infer<typeof cniOwnerSchema>;

const entrySchema = z.strictObject({
  owner: cniOwnerSchema,
  netns: z.string().max(256),
  /** Tells the namespace from a later one at the same path. */
  namespace: z.string(),
  /** Where the addresses follow the lease; null where the runtime chose them. */
  slot: z.int().nullable(),
  addresses: z.array(addressSchema).max(2),
  mac: z.string(),
  name: labelNameSchema,
  services: z.array(labelNameSchema).max(16),
  segment: segmentNameSchema.nullable(),
  isDefaultGateway: z.boolean().default(true),
});
export type CniEntry = z.infer<typeof entrySchema>;
const savedSchema = z.strictObject({ format: z.literal(1), entries: z.array(entrySchema) });

export type CniWish = Pick<CniEntry, 'owner' | 'netns' | 'services' | 'segment' | 'isDefaultGateway'> & {
  /** Empty: chosen here. */
  readonly addresses: readonly Address[];
  readonly mac: string | null;
  readonly name: CniEntry['name'] | null;
};

export interface CniBook {
  /** The same again for who has it already. Throws `attachment-target-missing`, `addresses-exhausted`, … */
  add(wish: CniWish): Promise<CniEntry>;
  /** True when there was something to remove. */
  remove(owner: CniOwner): Promise<boolean>;
  /** Looks at every namespace again, and frees what is gone. True when something changed. */
  refresh(): Promise<boolean>;
  list(): readonly CniEntry[];
  specs(): AttachmentSpec[];
  workloads(): Workload[];
}

export interface CniBookParts {
  readonly saved: string | undefined;
  readonly save: (json: string) => Promise<void>;
  readonly slots: Slots;
  readonly leases: () => readonly Cidr[];
  readonly probe: NamespaceProbe;
  /** Tells this instance's links from another's on the same machine. */
  readonly seed: string;
}

/** Throws `state-corrupt` when `saved` cannot be read. */
export function openCniBook({ saved, save, slots, leases, probe, seed }: CniBookParts): CniBook {
  let entries = readSaved(saved);
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(fn: () => Promise<T>): Promise<T> => {
    const done = turn.then(fn);
    turn = done.catch(() => undefined);
    return done;
  };
  const commit = async (next: ReadonlyMap<string, CniEntry>): Promise<void> => {
    await save(`${JSON.stringify({ format: 1, entries: [...next.values()] })}\n`);
    entries = next;
  };
  slots.addBook(() =>
    [...entries.values()].flatMap((one) => one.addresses.flatMap((address) => slotOf(leases(), address) ?? [])),
  );
  return {
    add: (wish) =>
      inTurn(async () => {
        const presence = await probe.look(parseTarget(`netns:${wish.netns}`));
        if (presence.kind !== 'present') throw missing(wish.netns);
        if (presence.namespace === (await probe.own())) {
          throw new WarrenError('attachment-conflict', `${wish.netns} is the host's own network namespace`);
        }
        const key = keyOf(wish.owner);
        const had = entries.get(key);
        if (had !== undefined && had.namespace === presence.namespace && had.netns === wish.netns) return had;
        const taken: number[] = [];
        try {
          const addresses = takeAddresses(slots, leases(), wish.addresses, taken);
          const slot = wish.addresses.length === 0 ? (taken[0] ?? null) : null;
          const { owner, netns, services, segment, isDefaultGateway } = wish;
          const mac = wish.mac ?? macOf(addresses);
          const name = wish.name ?? parseLabel(`c-${digestOf(owner.containerId).slice(0, 12)}`);
          const { namespace } = presence;
          const place = { owner, netns, namespace, slot, addresses, mac, isDefaultGateway };
          const entry = { ...place, name, services, segment };
          await commit(new Map([...entries, [key, entry]]));
          return entry;
        } finally {
          taken.forEach((one) => slots.settle(one));
        }
      }),
    remove: (owner) =>
      inTurn(async () => {
        const others = new Map(entries);
        if (!others.delete(keyOf(owner))) return false;
        await commit(others);
        return true;
      }),
    refresh: () =>
      inTurn(async () => {
        const kept = new Map<string, CniEntry>();
        for (const [key, one] of entries) {
          const presence = await probe.look(parseTarget(`netns:${one.netns}`));
          if (presence.kind === 'present' && presence.namespace === one.namespace) kept.set(key, one);
        }
        if (kept.size === entries.size) return false;
        await commit(kept);
        return true;
      }),
    list: () => [...entries.values()],
    specs: () => [...entries.values()].flatMap((one) => specOf(one, leases(), seed)),
    workloads: () =>
      [...entries.values()].map(({ name, services, addresses, segment }) => ({
        name,
        services,
        addresses,
        ports: [],
        segment,
        isHealthy: true,
        variables: [],
      })),
  };
}

function takeAddresses(slots: Slots, leases: readonly Cidr[], wanted: readonly Address[], taken: number[]): Address[] {
  if (wanted.length === 0) {
    const slot = slots.take(leases);
    taken.push(slot);
    return leases.map((lease) => slotAddress(lease, slot));
  }
  for (const address of wanted) {
    const slot = slotOf(leases, address);
    if (slot === undefined || !isSlotWithin(leases, slot)) {
      throw new WarrenError(
        'prefix-refused',
        `${address} is not an address for containers within this host's container subnet ${leases.join(' and ') || '(none yet)'}`,
      );
    }
    if (!taken.includes(slot)) taken.push(slots.take(leases, slot));
  }
  return [...wanted];
}

/** Nothing where the lease is another one now: a container keeps no address that is not this host's. */
function specOf(entry: CniEntry, leases: readonly Cidr[], seed: string): AttachmentSpec[] {
  const { owner, netns, addresses, mac, isDefaultGateway } = entry;
  const own = addresses.flatMap((address) => {
    const lease = leases.find((one) => slotOf([one], address) !== undefined);
    return lease === undefined ? [] : [{ address, lease }];
  });
  if (own.length === 0) return [];
  const id = BigInt(`0x${digestOf(`${seed}\0cni\0${keyOf(owner)}`).slice(0, 14)}`)
    .toString(36)
    .slice(0, 11);
  const gateways = own.map(({ lease }) => gatewayOf(lease));
  const ways = isDefaultGateway ? { gateways } : { gateways: [], meshGateways: gateways };
  return [{ id, netnsPath: netns, interfaceName: owner.interface, addresses: own, mac, ...ways }];
}

const keyOf = ({ network, containerId, interface: name }: CniOwner): string => `${network}\0${containerId}\0${name}`;

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Made of the address, so that a neighbour's ARP entry stays right when another container gets it. */
const macOf = ([address = '']: readonly string[]): string =>
  `02:${(digestOf(address).slice(0, 10).match(/../g) ?? []).join(':')}`;

function missing(netns: string): WarrenError {
  return new WarrenError('attachment-target-missing', `${netns} is not a network namespace that the agent can see`);
}

function readSaved(text: string | undefined): ReadonlyMap<string, CniEntry> {
  if (text === undefined) return new Map();
  try {
    return new Map(savedSchema.parse(JSON.parse(text)).entries.map((one) => [keyOf(one.owner), one]));
  } catch (cause) {
    throw new WarrenError('state-corrupt', 'what was saved of CNI is damaged; start those containers again', { cause });
  }
}

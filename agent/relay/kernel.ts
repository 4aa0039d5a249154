/**
 * Keeps the relay's tables in the kernel: changes their elements one by one, replaces them whole where they are not what
 * is known of them, takes them away where this host is no relay. Decides nothing of who is relayed.
 */
import type { Logger } from 'pino';
import { asWarrenError } from '../../shared/errors.ts';
import type { Address, Family } from '../../shared/net/address.ts';
import { type Endpoint, splitEndpoint } from '../../shared/net/endpoint.ts';
import { relayTableName } from '../plan/settings.ts';
import { checkSeal, listTable, removeTable, sealTable } from '../system/nft.ts';
import type { System } from '../system/run.ts';
import { readHeld } from './listing.ts';
import type { Forward } from './book.ts';
import { type Placed, type TableWish, changeScript, familyTable, relayTable, replaceScript } from './table.ts';

export interface RelayKernel {
  /** What the kernel holds, whoever put it there; what was altered is replaced by the next `place`. */
  look(): Promise<Seen>;
  /** Makes it hold these and no others; answers those that it holds then. */
  place(wish: TableWish, forwards: readonly Forward[]): Promise<readonly Forward[]>;
  clear(): Promise<void>;
  /** Why the last `place` could not be done as a whole. */
  fault(): string | undefined;
}

export interface Seen {
  readonly forwards: readonly Forward[];
  /** By port: packets that were let on since the table was made. */
  readonly packets: ReadonlyMap<number, number>;
}

export interface RelayKernelOptions {
  readonly system: System;
  readonly log: Logger;
  readonly tableName: string;
  readonly ownAddressTo: (target: Endpoint) => Promise<Address | undefined>;
}

/** What is known of one family's table; undefined: not as it should be. */
interface Known {
  readonly digest: string;
  readonly placed: readonly Placed[];
}

const families = [4, 6] as const;

export function createRelayKernel({ system, log, tableName, ownAddressTo }: RelayKernelOptions): RelayKernel {
  const name = relayTableName(tableName);
  const known = new Map<Family, Known>();
  /** By target; good until the next look. */
  let fault: string | undefined;
  const owns = new Map<Address, Promise<Address | undefined>>();
  const withOwn = async (forward: Forward): Promise<Placed[]> => {
    const { address } = splitEndpoint(forward.target);
    const asked = owns.get(address) ?? ownAddressTo(forward.target);
    owns.set(address, asked);
    const own = await asked;
    return own === undefined ? [] : [{ ...forward, own }];
  };

  const change = async (family: Family, wish: TableWish, wanted: readonly Placed[]): Promise<void> => {
    const { digest } = relayTable(family, wish);
    const had = known.get(family);
    known.delete(family);
    if (had?.digest !== digest) {
      await system.run({ argv: ['nft', '-f', '-'], input: replaceScript(family, name, wish, wanted) });
      await sealTable(system, name, familyTable(family), digest);
    } else {
      const input = changeScript(family, name, had.placed, wanted);
      if (input !== '') await system.run({ argv: ['nft', '-f', '-'], input });
    }
    known.set(family, { digest, placed: wanted });
  };
  /** Somebody may have taken an element or the table away, which makes a change fail as a whole. */
  const changeOrReplace = async (family: Family, wish: TableWish, wanted: readonly Placed[]): Promise<boolean> => {
    for (const isLast of [false, true]) {
      try {
        await change(family, wish, wanted);
        return true;
      } catch (error) {
        if (!isLast) continue;
        const why = asWarrenError(error).message;
        log.debug({ family, why }, 'relay table not made');
        // A host without IPv6 relays IPv4 alone.
        if (family === 4 || wanted.length > 0) fault = why;
      }
    }
    return false;
  };
  return {
    look: async () => {
      owns.clear();
      const forwards: Forward[] = [];
      const packets = new Map<number, number>();
      for (const family of families) {
        const listing = await listTable(system, name, familyTable(family));
        const held = listing === undefined ? [] : readHeld(family, listing.items);
        for (const one of held) {
          forwards.push(one.placed);
          packets.set(one.placed.port, (packets.get(one.placed.port) ?? 0) + one.packets);
        }
        const seal = listing === undefined ? undefined : checkSeal(listing);
        if (seal?.kind !== 'sealed') known.delete(family);
        else known.set(family, { digest: seal.digest, placed: held.map(({ placed }) => placed) });
      }
      return { forwards, packets };
    },
    fault: () => fault,
    place: async (wish, forwards) => {
      fault = undefined;
      const placed = (await Promise.all(forwards.map(withOwn))).flat();
      const held: Forward[] = [];
      for (const family of families) {
        const wanted = placed.filter((one) => one.family === family);
        if (await changeOrReplace(family, wish, wanted)) held.push(...wanted);
      }
      return held;
    },
    clear: async () => {
      fault = undefined;
      known.clear();
      for (const family of families) {
        if ((await listTable(system, name, familyTable(family))) !== undefined)
          await removeTable(system, name, familyTable(family));
      }
    },
  };
}

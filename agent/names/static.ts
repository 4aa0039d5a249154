/** Names added by hand on this host, kept over restarts. Each is a workload of its own, so that every host learns of it. */
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { type Address, addressSchema } from '../../shared/net/address.ts';
import { type Cidr, containsAddress } from '../../shared/net/cidr.ts';
import { type Label, type Workload, isReservedName, labelNameSchema } from '../../shared/workload.ts';

const savedSchema = z.strictObject({
  format: z.literal(1),
  names: z.array(z.strictObject({ name: labelNameSchema, addresses: z.array(addressSchema).min(1).max(4) })).max(256),
});
type Name = z.infer<typeof savedSchema>['names'][number];

export interface StaticNames {
  list(): readonly Name[];
  /** Replaces what the name had. Throws `prefix-refused` for an address that is not this host's, `name-taken`. */
  add(name: Label, addresses: readonly Address[], surroundings: NameSurroundings): Promise<void>;
  remove(name: Label): Promise<boolean>;
  workloads(): Workload[];
}

export interface NameSurroundings {
  /** All prefixes of this host. */
  readonly own: readonly Cidr[];
  readonly hostNames: ReadonlySet<string>;
}

const mostNames = 256;

/** Throws `state-corrupt` when `saved` cannot be read. */
export function openStaticNames(saved: string | undefined, save: (json: string) => Promise<void>): StaticNames {
  let names: readonly Name[] = readSaved(saved);
  const commit = async (changed: readonly Name[]): Promise<void> => {
    await save(`${JSON.stringify({ format: 1, names: changed })}\n`);
    names = changed;
  };
  return {
    list: () => names,
    add: async (name, addresses, { own, hostNames }) => {
      const foreign = addresses.find((address) => !own.some((prefix) => containsAddress(prefix, address)));
      if (foreign !== undefined) {
        throw new WarrenError(
          'prefix-refused',
          `${foreign} is not this host's: a name may stand for addresses of its lease, its overlay addresses and subnets it advertises; add the name on the host that has the address, or advertise its subnet`,
          { field: 'addresses' },
        );
      }
      if (isReservedName(name)) {
        throw new WarrenError(
          'name-invalid',
          `'${name}' is a name that programs look up by themselves; choose another one`,
          {
            field: 'name',
          },
        );
      }
      if (hostNames.has(name)) {
        throw new WarrenError('name-taken', `'${name}' is a host's name; choose another one`, { field: 'name' });
      }
      const others = names.filter((one) => one.name !== name);
      if (others.length >= mostNames)
        throw new WarrenError('conflict', `a host has ${mostNames} names of its own at most`);
      await commit(
        [...others, { name, addresses: [...new Set(addresses)] }].sort((a, b) => (a.name < b.name ? -1 : 1)),
      );
    },
    remove: async (name) => {
      if (!names.some((one) => one.name === name)) return false;
      await commit(names.filter((one) => one.name !== name));
      return true;
    },
    workloads: () =>
      names.map(({ name, addresses }) => ({
        name,
        services: [],
        addresses,
        ports: [],
        segment: null,
        isHealthy: true,
        variables: [],
      })),
  };
}

function readSaved(text: string | undefined): readonly Name[] {
  if (text === undefined) return [];
  try {
    return savedSchema.parse(JSON.parse(text)).names;
  } catch (cause) {
    throw new WarrenError('state-corrupt', 'the saved names are damaged; add them again', { cause });
  }
}

/** What commands on this host ask about names. */
import { randomInt } from 'node:crypto';
import packet, { type RecordType } from 'dns-packet';
import { WarrenError } from '../../shared/errors.ts';
import type { Address } from '../../shared/net/address.ts';
import type { NetworkMap } from '../../shared/network-map.ts';
import { workloadsOf } from '../../shared/own-workloads.ts';
import type { HostId } from '../../shared/names.ts';
import { type Label, type Workload, parseLabel } from '../../shared/workload.ts';
import type { NamesReply, QueryReply } from '../local/container-api.ts';
import { readAnswers } from './answer.ts';
import { linkVariables } from './link-variables.ts';
import type { Names } from './room.ts';
import type { NameSurroundings, StaticNames } from './static.ts';

export interface NameCallOptions {
  readonly names: Names;
  readonly statics: StaticNames;
  readonly selfId: HostId;
  readonly map: () => NetworkMap | undefined;
  readonly own: () => readonly Workload[];
  readonly surroundings: () => NameSurroundings;
  readonly onStatics: (workloads: readonly Workload[]) => void;
  /** The whole environment of a container of this host; undefined where it is none. */
  readonly environmentOf: (workload: string) => Promise<readonly string[] | undefined>;
}

export interface NameCalls {
  list(): NamesReply;
  add(name: string, addresses: readonly Address[]): Promise<NamesReply>;
  remove(name: string): Promise<NamesReply>;
  query(name: string, type: string): Promise<QueryReply>;
  variables(service: string, alias: string | undefined, reader: string | undefined): Promise<string[]>;
}

export function createNameCalls(options: NameCallOptions): NameCalls {
  const { names, statics } = options;
  const list = (): NamesReply => ({
    domain: names.zone()?.domain ?? null,
    resolvers: [...(names.resolvers() ?? [])],
    items: names.list().map((one) => ({ ...one, addresses: [...one.addresses] })),
  });
  return {
    list,
    add: async (text, addresses) => {
      await statics.add(readName(text, names.zone()?.domain), addresses, options.surroundings());
      options.onStatics(statics.workloads());
      return list();
    },
    remove: async (text) => {
      const name = readName(text, names.zone()?.domain);
      if (!(await statics.remove(name))) {
        throw new WarrenError('not-found', `'${name}' was not added on this host; see warren dns ls`, {
          field: 'name',
        });
      }
      options.onStatics(statics.workloads());
      return list();
    },
    query: async (name, type) => {
      const query = packet.encode({
        type: 'query',
        id: randomInt(65_536),
        flags: packet.RECURSION_DESIRED,
        questions: [{ type: type as RecordType, name }],
      });
      return { name, type, ...readAnswers(await names.ask(query)) };
    },
    variables: (service, alias, reader) => readVariables(options, service, alias, reader),
  };
}

/** `db` or `db.warren.internal`. */
function readName(text: string, domain: string | undefined): Label {
  const suffix = `.${domain ?? ''}`;
  return parseLabel(text.endsWith(suffix) ? text.slice(0, -suffix.length) : text);
}

/** Of a healthy instance; one of this host where there is one, for its whole environment is known here. */
async function readVariables(
  { map, selfId, own, environmentOf }: NameCallOptions,
  service: string,
  alias = service,
  reader = 'warren',
): Promise<string[]> {
  const wanted = parseLabel(service);
  const isInstance = (one: Workload): boolean =>
    one.isHealthy && one.addresses.length > 0 && (one.name === wanted || one.services.includes(wanted));
  const here = own().find(isInstance);
  const there = (map()?.hosts ?? [])
    .filter((host) => host.id !== selfId && !host.isGone)
    .flatMap(workloadsOf)
    .find(isInstance);
  const found = here ?? there;
  if (found === undefined) {
    throw new WarrenError('not-found', `no healthy instance of '${service}' is on the mesh; see warren dns ls`, {
      field: 'service',
    });
  }
  const shared = found.variables.map(({ name, value }) => `${name}=${value}`);
  return linkVariables({
    alias: parseLabel(alias),
    reader: parseLabel(reader),
    address: found.addresses.find((address) => !address.includes(':')) ?? found.addresses[0] ?? '',
    ports: found.ports,
    environment: here === undefined ? shared : ((await environmentOf(here.name)) ?? shared),
  });
}

/** Answers of an engine, and an engine that gives them. */
import { type Container, type Network, containerSchema, networkSchema } from '../../../agent/docker/api.ts';
import type { Engine } from '../../../agent/docker/engine.ts';
import { WarrenError } from '../../../shared/errors.ts';
import { parseHostId } from '../../../shared/names.ts';
import { parseCidr } from '../../../shared/net/cidr.ts';
import type { WantedNetwork } from '../../../agent/docker/network.ts';

export const idOf = (text: string): string => Buffer.from(text).toString('hex').padEnd(64, '0').slice(0, 64);

export interface Written {
  readonly name: string;
  readonly address?: string;
  readonly address6?: string;
  readonly network?: string;
  readonly aliases?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly env?: readonly string[];
  readonly exposed?: readonly string[];
  readonly state?: Readonly<Record<string, unknown>>;
}

/** A container as `GET /containers/{id}/json` describes it. */
export const container = (written: Written): Container =>
  containerSchema.parse({
    Id: idOf(written.name),
    Name: `/${written.name}`,
    State: { Running: true, Pid: 7, ...written.state },
    Config: {
      Env: written.env ?? [],
      Labels: written.labels ?? {},
      ExposedPorts: Object.fromEntries((written.exposed ?? []).map((port) => [port, {}])),
    },
    NetworkSettings: {
      Networks: {
        [written.network ?? 'warren']: {
          IPAddress: written.address ?? '10.210.1.128',
          GlobalIPv6Address: written.address6 ?? '',
          Aliases: written.aliases ?? null,
        },
      },
    },
  });

export const network = (name: string, rest: Readonly<Record<string, unknown>> = {}): Network =>
  networkSchema.parse({ Id: idOf(name), Name: name, Driver: 'bridge', ...rest });

export const wanted: WantedNetwork = {
  name: 'warren',
  hostId: parseHostId('habcdefghijklmn23'),
  bridgeName: 'warren-br',
  leases: [parseCidr('10.210.1.0/24'), parseCidr('fd00:1::/64')],
  mtu: 1380,
  tunnel: 'warren0',
  firewall: 'iptables',
};

/** Knows the containers that are in `running` when it is asked. */
export function engineWith(running: readonly Container[] | (() => readonly Container[])): Engine {
  const now = typeof running === 'function' ? running : () => running;
  return {
    get: async (path, schema) => {
      if (path === '/containers/json') return schema.parse(now());
      const found = now().find(({ Id }) => path === `/containers/${Id}/json`);
      if (found === undefined) throw new WarrenError('not-found', `nothing at ${path}`);
      return schema.parse(found);
    },
    post: () => Promise.reject(new Error('nothing is made here')),
    remove: () => Promise.reject(new Error('nothing is removed here')),
    follow: () => Promise.reject(new Error('nothing happens here')),
  };
}

/** Pings a host of the map through the tunnel and says how the packets went. */
import { WarrenError } from '../shared/errors.ts';
import type { HostId } from '../shared/names.ts';
import { printable } from '../shared/net/address.ts';
import type { HostRecord, NetworkMap } from '../shared/network-map.ts';
import type { Pong } from './local/api.ts';
import type { ObservedWireguard } from './plan/observed.ts';
import { viewPath } from './paths/view.ts';
import type { StatusFacts } from './status.ts';
import type { System } from './system/run.ts';

export interface PingContext {
  readonly system: System;
  readonly map: NetworkMap;
  readonly selfId: HostId;
  /** What WireGuard knows after the packets went. */
  readonly wireguard: () => Promise<ObservedWireguard | undefined>;
  readonly pathOf: StatusFacts['pathOf'];
}

export async function pingHost(context: PingContext, host: string, count: number): Promise<Pong> {
  const { system, map, selfId } = context;
  const record = findHost(map, host);
  const address = record.addresses.find((one) => one === host) ?? record.addresses[0];
  if (address === undefined) throw new WarrenError('not-found', `${record.name} has no address`);
  const { stdout } = await system.run({
    argv: ['ping', '-n', '-q', '-c', String(count), '-i', '0.2', '-W', '2', address],
    timeoutMs: 5000 + count * 2200,
    // 1: nothing came back.
    okCodes: [0, 1],
  });
  const peer = record.id === selfId ? undefined : (await context.wireguard())?.peers.get(record.publicKey);
  const { sent, received, latencyMs } = readPing(stdout);
  const endpoint = peer?.endpoint ?? null;
  const view = viewPath(endpoint, received > 0, context.pathOf(record.publicKey, endpoint));
  return {
    host: record.name,
    hostId: record.id,
    address,
    path: record.id === selfId ? 'self' : view.path,
    via: view.via,
    endpoint,
    sent,
    received,
    latencyMs,
  };
}

/** By name, id, overlay address. Throws `not-found`. */
export function findHost(map: NetworkMap, text: string): HostRecord {
  const found = map.hosts.find(
    ({ id, name, addresses }) => id === text || name === text || addresses.some((address) => address === text),
  );
  if (found !== undefined) return found;
  throw new WarrenError(
    'not-found',
    `'${printable(text)}' is no host of this mesh; 'warren status' lists them by name and address`,
  );
}

/** The summary of iputils' ping and of busybox': `3 packets transmitted, 3 …received`, `min/avg/max… = 0.1/0.2/0.3`. */
export function readPing(stdout: string): Pick<Pong, 'sent' | 'received' | 'latencyMs'> {
  const counts = /(\d+) packets transmitted, (\d+)(?: packets)? received/.exec(stdout);
  const times = /min\/avg\/max(?:\/\w+)? = ([\d.]+)\/([\d.]+)\/([\d.]+)/.exec(stdout);
  const [min, average, max] = (times?.slice(1) ?? []).map(Number);
  return {
    sent: Number(counts?.[1] ?? 0),
    received: Number(counts?.[2] ?? 0),
    latencyMs: min === undefined || average === undefined || max === undefined ? null : { min, average, max },
  };
}

/**
 * firewalld rejects in tables of its own what its zones do not let through, so the way is opened with its own means: a
 * zone for the mesh's links and policies for what passes, kept by firewalld itself over its reloads and restarts. What
 * may pass inside stays with our own table. The bridge is in the zone only while firewalld runs, for Docker takes its
 * bridges into a zone of its own and gives up where another zone has one.
 */
import { vxlanPort } from './bridged.ts';
import { digestOf } from './digest.ts';
import type { ObservedFirewalld, ObservedLink } from './observed.ts';
import type { Step } from './step.ts';

export interface DesiredFirewalld {
  /** At most 13 characters, for firewalld takes 17 and policies are called after it. */
  readonly zone: string;
  readonly tunnel: string;
  readonly listenPort: number;
  readonly mark: string;
  /** Mark and digest; stands in the descriptions and tells whose they are, and that they are as wanted. */
  readonly seal: string;
  /** Of the mesh, our own one first. */
  readonly bridges: readonly string[];
  readonly hasEngine: boolean;
}

export function desireFirewalld(
  settings: { readonly tableName: string; readonly interfaceName: string; readonly listenPort: number },
  mark: string,
  bridges: readonly string[],
  hasEngine: boolean,
): DesiredFirewalld {
  const { tableName, interfaceName: tunnel, listenPort } = settings;
  const zone = zoneName(tableName);
  const seal = `${mark}:${digestOf(`1 ${zone} ${tunnel} ${listenPort} ${vxlanPort}`)}`;
  return { zone, tunnel, listenPort, mark, seal, bridges, hasEngine };
}

export const zoneName = (tableName: string): string =>
  tableName.length <= 13 ? tableName : `warren-${digestOf(tableName).slice(0, 6)}`;

/** The zone itself and three policies. */
const sealCount = 4;

/** `wanted` is undefined where this host has no part in the mesh; what is there goes with `leave`. */
export function planFirewalld(
  wanted: DesiredFirewalld | undefined,
  seen: ObservedFirewalld | undefined,
  links: ReadonlyMap<string, Pick<ObservedLink, 'alias'>>,
): Step[] {
  if (wanted === undefined || seen === undefined) return [];
  const { zone, tunnel, listenPort, mark, seal, bridges, hasEngine } = wanted;
  const isThere = seen.seals.length === sealCount && seen.seals.every((one) => one === seal);
  const why = 'firewalld does not know the mesh';
  const makes: Step[] = isThere ? [] : [{ kind: 'firewalld-set', zone, tunnel, listenPort, mark, seal, why }];
  const home = hasEngine && seen.zones.includes('docker') ? 'docker' : zone;
  const [bridge, ...networks] = bridges;
  const places: Array<readonly [string | undefined, string]> = [
    [isOurs(tunnel) ? tunnel : undefined, zone],
    [isOurs(bridge) ? bridge : undefined, home],
    ...networks.map((network) => [links.has(network) ? network : undefined, home] as const),
  ];
  function isOurs(name: string | undefined): boolean {
    return name !== undefined && links.get(name)?.alias === mark;
  }
  const binds = places.flatMap(([interfaceName, place]): Step[] => {
    if (interfaceName === undefined || seen.zoneOf.get(interfaceName) === place) return [];
    return [{ kind: 'firewalld-bind', interfaceName, zone: place, why: 'it is in no zone that lets the mesh pass' }];
  });
  return [...makes, ...binds];
}

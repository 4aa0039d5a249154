/**
 * What this host looks like from outside: its peers tell it where its probes came from. Two that see the same know of a
 * mapping that any third will see too; two that see different ports know of a NAT that makes one for each. Pure.
 */
import type { ReportBody } from '../../shared/api/report.ts';
import { type Endpoint, splitEndpoint } from '../../shared/net/endpoint.ts';

export interface Sight {
  /** Who saw it; sights of one address of the observer are one sight. */
  readonly observer: Endpoint;
  readonly mapped: Endpoint;
  /** ms of a steady clock. */
  readonly at: number;
}

/** `mappedEndpoints`: mappings that others may try, newest first. */
export type Outside = Pick<ReportBody, 'nat' | 'mappedEndpoints'>;

/** A mapping that nobody saw for so long may be gone. */
const sightMs = 180_000;
const mostMapped = 4;

/** `own`: this host's own endpoints. */
export function describeOutside(sights: Iterable<Sight>, own: ReadonlySet<Endpoint>, now: number): Outside {
  const fresh = [...sights].filter(({ at }) => now - at < sightMs).sort((a, b) => b.at - a.at);
  const strange = fresh.filter(({ mapped }) => !own.has(mapped));
  if (fresh.length === 0) return { nat: 'unknown', mappedEndpoints: [] };
  if (strange.length === 0) return { nat: 'none', mappedEndpoints: [] };
  if (isSymmetric(strange)) return { nat: 'symmetric', mappedEndpoints: [] };
  const mappedEndpoints = [...new Set(strange.map((sight) => sight.mapped))].slice(0, mostMapped);
  return { nat: strange.length > 1 ? 'easy' : 'unknown', mappedEndpoints };
}

/** One address of the NAT with several ports, for observers in several places. */
function isSymmetric(sights: readonly Sight[]): boolean {
  const ports = new Map<string, Set<number>>();
  for (const { mapped } of sights) {
    const { address, port } = splitEndpoint(mapped);
    ports.set(address, (ports.get(address) ?? new Set()).add(port));
  }
  return [...ports.values()].some((seen) => seen.size > 1);
}

/**
 * What attached interfaces are to the mesh: those that have a name or are in a segment, with their addresses of the
 * lease. Pure.
 */
import { parseLabel, type Label, type Workload } from '../../shared/workload.ts';
import { digestOf } from '../plan/digest.ts';
import type { Attachment, Ground } from './attachments.ts';
import { leaseAddresses } from './spec.ts';

/** Several interfaces of one name are one workload. */
export function attachedWorkloads(all: readonly Attachment[], ground: Ground): Workload[] {
  const byName = new Map<Label, Workload>();
  for (const one of all) {
    if (one.place === undefined || one.isLeaving) continue;
    const { request } = one;
    const isBridged = request.segment !== null && ground.isBridged(request.segment);
    const addresses = isBridged ? [] : leaseAddresses(one, ground);
    const name = request.name ?? nameOfTarget(one) ?? (request.segment === null ? undefined : nameless(one));
    if (name === undefined || request.place.kind !== 'mesh' || (addresses.length === 0 && !isBridged)) continue;
    const had = byName.get(name);
    byName.set(name, {
      name,
      services: [...new Set([...(had?.services ?? []), ...request.services])].slice(0, 16),
      addresses: [...(had?.addresses ?? []), ...addresses].sort(byFamily).slice(0, 4),
      ports: [...(had?.ports ?? []), ...request.ports].slice(0, 64),
      segment: had?.segment ?? request.segment,
      isHealthy: true,
      variables: [],
    });
  }
  return [...byName.values()];
}

function nameOfTarget({ target }: Attachment): Label | undefined {
  const text = target.kind === 'netns' ? (target.netnsPath.split('/').at(-1) ?? '') : nameOfContainer(target);
  try {
    return parseLabel(text.toLowerCase());
  } catch {
    return undefined;
  }
}

/** A segment holds whom nobody can name as well. */
const nameless = ({ linkKey }: Attachment): Label => parseLabel(`a-${digestOf(linkKey).slice(0, 12)}`);

/** As it was called when it was attached, not an id. */
const nameOfContainer = (target: Attachment['target']): string =>
  target.kind === 'docker' ? target.text.slice('docker:'.length) : '';

const byFamily = (a: string, b: string): number => Number(a.includes(':')) - Number(b.includes(':'));

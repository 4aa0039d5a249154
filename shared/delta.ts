/**
 * How a network map changed since a revision. Laws (tested): `patch(a, diff(a, b))` equals `b`; a delta path always
 * ends where the full map does; a delta of another epoch or from a later revision is refused, never guessed at.
 */
import { z } from 'zod';
import { WarrenError } from './errors.ts';
import { hostIdSchema } from './names.ts';
import {
  type HostRecord,
  type NetworkMap,
  epochSchema,
  hostRecordSchema,
  meshSettingsSchema,
  revisionSchema,
} from './network-map.ts';

export const deltaSchema = z.strictObject({
  epoch: epochSchema,
  /** The delta holds every change after this revision. It applies to any map at or after it. */
  from: revisionSchema,
  revision: revisionSchema,
  upserts: z.array(hostRecordSchema),
  removes: z.array(hostIdSchema),
  mesh: meshSettingsSchema.optional(),
});
export type Delta = z.infer<typeof deltaSchema>;

/** True when `delta` brings `map` forward without a gap. */
export function follows(map: NetworkMap, delta: Delta): boolean {
  return map.epoch === delta.epoch && delta.from <= map.revision && delta.revision >= map.revision;
}

/** The map after `delta`. Throws `conflict` when the delta does not follow the map; ask for a full map then. */
export function patch(map: NetworkMap, delta: Delta): NetworkMap {
  if (!follows(map, delta)) {
    throw new WarrenError(
      'conflict',
      `delta ${delta.epoch}:${delta.from}..${delta.revision} does not follow map ${map.epoch}:${map.revision}`,
    );
  }
  const hosts = new Map(map.hosts.map((host) => [host.id, host]));
  for (const id of delta.removes) hosts.delete(id);
  for (const host of delta.upserts) hosts.set(host.id, host);
  const ordered = [...hosts.values()].sort(byId);
  return { epoch: map.epoch, revision: delta.revision, mesh: delta.mesh ?? map.mesh, hosts: ordered };
}

export function diff(from: NetworkMap, to: NetworkMap): Delta {
  if (from.epoch !== to.epoch) throw new WarrenError('conflict', 'maps of two epochs have no delta');
  const before = new Map(from.hosts.map((host) => [host.id, host]));
  const after = new Set(to.hosts.map((host) => host.id));
  const delta: Delta = {
    epoch: to.epoch,
    from: from.revision,
    revision: to.revision,
    upserts: to.hosts.filter((host) => !sameJson(before.get(host.id), host)),
    removes: from.hosts.filter((host) => !after.has(host.id)).map((host) => host.id),
  };
  return sameJson(from.mesh, to.mesh) ? delta : { ...delta, mesh: to.mesh };
}

const byId = (a: HostRecord, b: HostRecord): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/** Records are parsed or built field by field in schema order, so equal values have equal text. */
function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

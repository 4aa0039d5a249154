/**
 * What a frame of the feed makes of the map an agent has. Never goes back silently: an older revision of the same epoch
 * is refused, a gap or a foreign epoch asks for a full map (a restored backup starts a new epoch). Pure.
 */
import { type Delta, patch } from '../shared/delta.ts';
import { WarrenError } from '../shared/errors.ts';
import type { NetworkMap } from '../shared/network-map.ts';
import type { Cursor } from '../shared/protocol.ts';

export type Advance =
  | { kind: 'map'; map: NetworkMap }
  | { kind: 'unchanged' }
  /** The stream and the map do not fit together; only a full map helps. */
  | { kind: 'resync'; why: string };

/** Throws `conflict` when a full map is older than what is here. */
export function advanceToMap(have: NetworkMap | undefined, map: NetworkMap): Advance {
  if (have !== undefined && have.epoch === map.epoch && map.revision < have.revision) {
    throw new WarrenError(
      'conflict',
      `the server offers revision ${map.revision}, older than ${have.revision} which is here already; ` +
        "if its database was put back, use 'warren server restore', which starts a new epoch",
    );
  }
  const ids = new Set(map.hosts.map((host) => host.id));
  if (ids.size !== map.hosts.length) throw new WarrenError('request-invalid', 'the map names a host twice');
  return { kind: 'map', map };
}

export function advanceByDelta(have: NetworkMap | undefined, delta: Delta): Advance {
  if (have === undefined) return { kind: 'resync', why: 'a delta came before any map' };
  if (delta.epoch !== have.epoch) return { kind: 'resync', why: 'a delta of another epoch came' };
  if (delta.revision < have.revision) return { kind: 'unchanged' };
  if (delta.from > have.revision) {
    return { kind: 'resync', why: `a delta from ${delta.from} came, revision ${have.revision} is here` };
  }
  return { kind: 'map', map: patch(have, delta) };
}

export function advanceToCurrent(have: NetworkMap | undefined, current: Cursor): Advance {
  if (have?.epoch === current.epoch && have.revision === current.revision) return { kind: 'unchanged' };
  return { kind: 'resync', why: `the server takes this host for being at ${current.revision}, which it is not` };
}

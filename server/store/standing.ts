/** What a host's own stream tells it of itself. */
import type { HostId } from '../../shared/names.ts';
import type { HostState } from '../../shared/protocol.ts';
import type { Db } from './schema.ts';

export interface StoredStanding {
  readonly state: HostState;
  readonly isRotationDue: boolean;
  /** True when the host has approved subnets, which move when it falls silent. */
  readonly isCarrier: boolean;
  /** True when names and published ports lead to what runs on it. */
  readonly isRunner: boolean;
}

/** Undefined when there is no such host. */
export async function findStanding(db: Db, hostId: HostId): Promise<StoredStanding | undefined> {
  const row = await db
    .selectFrom('host')
    .select((eb) => [
      'state',
      'is_rotation_due',
      eb('workloads', '!=', '[]').as('is_runner'),
      eb
        .exists(
          eb
            .selectFrom('subnet')
            .select('subnet.id')
            .whereRef('subnet.host_id', '=', 'host.id')
            .where('subnet.state', '=', 'approved'),
        )
        .as('is_carrier'),
    ])
    .where('id', '=', hostId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    state: row.state,
    isRotationDue: row.is_rotation_due === 1,
    isCarrier: Boolean(row.is_carrier),
    isRunner: Boolean(row.is_runner),
  };
}

/** Active hosts that other hosts' routes depend on: those with approved subnets, and those found gone before. */
import type { HostId } from '../../shared/names.ts';
import type { Db } from './schema.ts';

export interface Carrier {
  readonly id: HostId;
  readonly isGone: boolean;
  /** False for a host that was found gone and has no approved subnet any more. */
  readonly isCarrying: boolean;
}

export async function listCarriers(db: Db): Promise<Carrier[]> {
  const rows = await db
    .selectFrom('host')
    .select((eb) => [
      'id',
      'is_gone as isGone',
      eb
        .exists(
          eb
            .selectFrom('subnet')
            .select('subnet.id')
            .whereRef('subnet.host_id', '=', 'host.id')
            .where('subnet.state', '=', 'approved'),
        )
        .as('isCarrying'),
    ])
    .where('state', '=', 'active')
    .where((eb) =>
      eb.or([
        eb('is_gone', '=', 1),
        eb('id', 'in', eb.selectFrom('subnet').select('subnet.host_id').where('subnet.state', '=', 'approved')),
      ]),
    )
    .orderBy('id')
    .execute();
  return rows.map(({ id, isGone, isCarrying }) => ({ id, isGone: isGone === 1, isCarrying: Number(isCarrying) === 1 }));
}

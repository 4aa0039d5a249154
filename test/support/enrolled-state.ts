/** The state directory of an agent that has joined: host 1, whose server nobody reaches. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeIdentityKey } from '../../agent/identity.ts';
import { type HostFile, type State, openState } from '../../agent/state.ts';
import { parseHostId, parseHostName } from '../../shared/names.ts';
import { hostId } from './mesh-map.ts';

export const enrolledHost: HostFile = {
  format: 1,
  serverUrl: 'https://192.0.2.250:8443',
  caPin: `${'A'.repeat(43)}=`,
  name: parseHostName('host-1'),
  listenPort: 51820,
  declaredEndpoints: [],
  advertise: [],
  hostId: parseHostId(hostId(1)),
};

export async function openEnrolledState(dir: string): Promise<State> {
  const state = await openState(dir);
  await state.writeHost(enrolledHost);
  writeFileSync(join(dir, 'identity.key'), makeIdentityKey());
  return state;
}

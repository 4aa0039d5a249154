/** The probes of a running agent: its keys for them, and the socket that WireGuard's port is lent to. */
import type { Logger } from 'pino';
import { asWarrenError } from '../../shared/errors.ts';
import type { PublicKey } from '../../shared/wireguard.ts';
import type { HostSettings } from '../plan/settings.ts';
import { type Channel, type ProbeKeys, openChannel } from '../probe/channel.ts';
import { createPairKeys } from '../probe/pair-key.ts';
import type { openProbeSocket } from '../probe/socket.ts';
import type { State } from '../state.ts';

export interface HostKeys extends ProbeKeys {
  readonly mixKey: (peer: PublicKey) => Buffer | undefined;
}

export async function probeKeys(state: State): Promise<HostKeys> {
  const { publicKey, privateKey } = await state.wireguardKeys();
  return { publicKey, pairKey: createPairKeys(privateKey), mixKey: createPairKeys(privateKey, 'warren mix 1') };
}

/** The same for every start, another one for every instance; below the ports that Linux gives out by itself. */
const probePort = ({ listenPort }: HostSettings): number => 20_000 + (listenPort % 10_000);

/** A host that gives no socket still has its tunnels; endpoints are then tried one after the other. */
export async function openProbes(
  open: typeof openProbeSocket | undefined,
  log: Logger,
  keys: () => ProbeKeys,
  settings: HostSettings,
): Promise<Channel | undefined> {
  if (open === undefined) return undefined;
  try {
    return await openChannel({ keys, open, port: probePort(settings) });
  } catch (error) {
    log.warn({ why: asWarrenError(error).message }, 'no probes');
    return undefined;
  }
}

/** Makes Warren's network of the engine what it should be, and says what came of it. */
import type { Logger } from 'pino';
import type { Address } from '../../shared/net/address.ts';
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import type { Fault } from '../failures.ts';
import { type Network, createNetwork, listNetworks, listUsers, removeNetwork } from './api.ts';
import type { Connection } from './connection.ts';
import type { Engine } from './engine.ts';
import { type NetworkStep, type WantedNetwork, createBody, hostLabel, planNetwork } from './network.ts';

export interface Kept {
  /** All networks of the engine. */
  readonly networks: readonly Network[];
  /** Ours, where it is there. */
  readonly own: Network | undefined;
  /** True when ours is there and as it should be. */
  readonly isMade: boolean;
  readonly faults: readonly Fault[];
}

export interface KeepOptions {
  readonly wanted: () => Omit<WantedNetwork, 'firewall'> | undefined;
  readonly taken: () => readonly Address[];
}

export async function keepNetwork(
  { engine, firewall }: Pick<Connection, 'engine' | 'firewall'>,
  { wanted, taken }: KeepOptions,
  log: Logger,
): Promise<Kept> {
  const asked = wanted();
  const want = asked === undefined ? undefined : { ...asked, firewall };
  const before = await listNetworks(engine);
  const there = ownNetwork(want, before);
  const users = there === undefined ? 0 : (await listUsers(engine, there.Id)).length;
  const { steps, refusal } = planNetwork(want, before, users);
  if (refusal !== undefined) return kept(want, before, refusal);
  if (steps.length === 0 || want === undefined) return kept(want, before, undefined);
  try {
    for (const step of steps) await take(engine, step, want, taken());
    log.info({ network: want.name, why: steps[0]?.why }, 'engine network made');
  } catch (error) {
    return kept(want, await listNetworks(engine), asWarrenError(error).message);
  }
  return kept(want, await listNetworks(engine), undefined);
}

async function take(engine: Engine, step: NetworkStep, want: WantedNetwork, taken: readonly Address[]): Promise<void> {
  switch (step.kind) {
    case 'network-remove':
      return removeNetwork(engine, step.id);
    case 'network-create':
      await createNetwork(engine, createBody(want, taken)).catch(explain);
  }
}

/** Docker's own words for a pool that another of its networks has do not say which, or what to do. */
function explain(error: unknown): never {
  const { code, message } = asWarrenError(error);
  if (!/overlap/i.test(message)) throw error;
  throw new WarrenError(
    code,
    `${message}; another Docker network has addresses of this host's lease: remove that network, or give the mesh another pool`,
    { cause: error },
  );
}

const ownNetwork = (want: WantedNetwork | undefined, all: readonly Network[]): Network | undefined =>
  want === undefined
    ? undefined
    : all.find((network) => network.Name === want.name && network.Labels?.[hostLabel] === want.hostId);

function kept(want: WantedNetwork | undefined, networks: readonly Network[], why: string | undefined): Kept {
  const own = ownNetwork(want, networks);
  const faults = why === undefined ? [] : [{ kind: 'docker-network', subject: want?.name ?? 'warren', why }];
  return { networks, own, isMade: own !== undefined && why === undefined, faults };
}

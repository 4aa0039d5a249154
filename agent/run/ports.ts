/**
 * Which port of which bridge leads to which container of the engine: the engine does not say. The container's own end
 * of the veth pair knows its other end by number, so each container's network is entered once, when it is connected. It
 * reads and changes nothing.
 */
import { WarrenError } from '../../shared/errors.ts';
import type { Clock } from '../clock.ts';
import type { EngineEndpoint } from '../docker/endpoint.ts';
import type { Fault } from '../failures.ts';
import type { PortBinding } from '../plan/local.ts';
import type { ObservedLink } from '../plan/observed.ts';
import { showLinks } from '../system/ip.ts';
import type { System } from '../system/run.ts';

export interface PortFinder {
  /** Of those whose port is known; asks for new ones alone. */
  find(endpoints: readonly EngineEndpoint[]): Promise<PortBinding[]>;
  faults(): readonly Fault[];
}

/** A container that could not be entered, or is not there yet, is tried again after this. */
const againMs = 10_000;
const entriesAtOnce = 4;

type Found = { readonly port: string } | { readonly notBefore: number };

export function createPortFinder(system: System, clock: Clock): PortFinder {
  let known: ReadonlyMap<string, Found> = new Map();
  let faults: readonly Fault[] = [];
  const look = async (endpoint: EngineEndpoint, host: ReadonlyMap<string, ObservedLink>): Promise<Found> => {
    const port = await portOf(system, endpoint, host);
    return port === undefined ? { notBefore: clock.now() + againMs } : { port };
  };
  return {
    find: async (endpoints) => {
      const next = new Map<string, Found>();
      const waiting: EngineEndpoint[] = [];
      for (const endpoint of endpoints) {
        const had = known.get(keyOf(endpoint));
        const isDue = had === undefined || ('notBefore' in had && clock.now() >= had.notBefore);
        if (isDue) waiting.push(endpoint);
        else next.set(keyOf(endpoint), had);
      }
      const host = waiting.length === 0 ? new Map<string, ObservedLink>() : await showLinks(system);
      const worker = async (): Promise<void> => {
        for (let one = waiting.pop(); one !== undefined; one = waiting.pop())
          next.set(keyOf(one), await look(one, host));
      };
      await Promise.all(Array.from({ length: entriesAtOnce }, worker));
      known = next;
      const bindings = endpoints.flatMap((endpoint): PortBinding[] => {
        const found = next.get(keyOf(endpoint));
        if (found === undefined || !('port' in found)) return [];
        return [{ port: found.port, addresses: endpoint.addresses, mac: endpoint.mac, isOurs: false }];
      });
      faults = endpoints.filter((one) => 'notBefore' in (next.get(keyOf(one)) ?? {})).map(unboundFault);
      return bindings;
    },
    faults: () => faults,
  };
}

const keyOf = ({ id, pid }: EngineEndpoint): string => `${pid}/${id}`;

const unboundFault = ({ container, bridgeName }: EngineEndpoint): Fault => ({
  kind: 'container-unbound',
  subject: container,
  why: `which port of ${bridgeName} is its own could not be seen, so its address is not kept from others; the agent must run in the host's process namespace`,
});

/** Undefined where the container is gone, or its network cannot be entered from here. */
async function portOf(
  system: System,
  { pid, bridgeName }: EngineEndpoint,
  host: ReadonlyMap<string, ObservedLink>,
): Promise<string | undefined> {
  if (pid <= 0) return undefined;
  const inside = await insideLinks(system, `/proc/${pid}/ns/net`);
  const indexes = new Map([...inside.values()].map(({ index, peerIndex }) => [peerIndex, index]));
  const port = [...host.values()].find(
    ({ index, kind, master, peerIndex }) =>
      kind === 'veth' && master === bridgeName && peerIndex !== undefined && indexes.get(index) === peerIndex,
  );
  return port?.name;
}

async function insideLinks(system: System, netnsPath: string): Promise<ReadonlyMap<string, ObservedLink>> {
  try {
    return await showLinks(system, netnsPath);
  } catch (error) {
    if (error instanceof WarrenError) return new Map();
    throw error;
  }
}

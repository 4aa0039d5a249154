/**
 * The veth pair of an endpoint: one end on the agent's bridge, the other left in the host's namespace under a name that
 * the engine is told, for the engine moves it into the container by itself.
 */
import { createHash } from 'node:crypto';
import { WarrenError } from '../../shared/errors.ts';
import { linkLines } from '../apply/batch.ts';
import { vethName } from '../plan/settings.ts';
import { runBatch } from '../system/ip.ts';
import type { System } from '../system/run.ts';

export interface PortLinks {
  /** Makes the pair, or finds it made, and answers the name of the end that is for the container. */
  make(endpointId: string, mac: string): Promise<string>;
  remove(endpointId: string): Promise<void>;
}

/** What a new port hangs on; throws while the bridge is not there. */
export interface PortPlace {
  readonly bridgeName: string;
  readonly mark: string;
  readonly mtu: number;
}

export function createPortLinks(system: System, seed: string, place: () => Promise<PortPlace>): PortLinks {
  return {
    make: async (endpointId, mac) => {
      const { bridgeName, mark, mtu } = await place();
      const [outer, inner] = portNames(seed, endpointId);
      if (!(await isWholeHere(system, outer, inner))) {
        // What an earlier call left: its other end is in a container that is gone, or going.
        await removeLink(system, outer);
        await runOrThrow(system, [
          `link add dev ${outer} mtu ${mtu} type veth peer name ${inner} mtu ${mtu} address ${mac}`,
        ]);
      }
      try {
        await runOrThrow(
          system,
          linkLines({ kind: 'link-set', interfaceName: outer, mark, master: bridgeName, mtu, isUp: true }),
        );
      } catch (error) {
        await removeLink(system, outer);
        throw error;
      }
      return inner;
    },
    remove: (endpointId) => removeLink(system, portNames(seed, endpointId)[0]),
  };
}

/** The host's end and the container's, both short enough for Linux. */
export function portNames(seed: string, endpointId: string): [outer: string, inner: string] {
  const digest = createHash('sha256').update(`${seed}\0plugin\0${endpointId}`).digest('hex');
  const id = BigInt(`0x${digest.slice(0, 14)}`)
    .toString(36)
    .slice(0, 11);
  return [vethName(id), `wp${id}`];
}

async function isWholeHere(system: System, outer: string, inner: string): Promise<boolean> {
  const { failures } = await runBatch(system, [`link show dev ${outer}`, `link show dev ${inner}`]);
  return failures.size === 0;
}

async function removeLink(system: System, name: string): Promise<void> {
  const { failures } = await runBatch(system, [`link del dev ${name}`]);
  const [said] = failures.values();
  if (said === undefined || said.includes('Cannot find device')) return;
  throw new WarrenError('command-failed', `'ip link del dev ${name}' failed: ${said}`);
}

async function runOrThrow(system: System, lines: readonly string[]): Promise<void> {
  const { failures } = await runBatch(system, lines);
  const [first] = failures;
  if (first === undefined) return;
  const [line, said] = first;
  throw new WarrenError('command-failed', `'ip ${lines[line] ?? ''}' failed: ${said}`);
}

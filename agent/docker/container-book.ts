/**
 * Which containers run and what they are to the mesh. Each is inspected when something happens to it, not at every look,
 * so that a thousand containers cost one list. A death that is heard takes a container's names away at once.
 */
import type { Cidr } from '../../shared/net/cidr.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Workload } from '../../shared/workload.ts';
import type { Fault } from '../failures.ts';
import {
  type Container,
  type EngineEvent,
  type Network,
  inspectContainer,
  isContainerName,
  listContainers,
} from './api.ts';
import { engineEndpoints, meshEndpoints, readContainer } from './containers.ts';
import type { Engine } from './engine.ts';
import type { EngineEndpoint } from './endpoint.ts';
import type { ResolvedContainer } from './room.ts';

export interface ContainerBook {
  /** Takes in an event; true when something that others know of is gone with it. */
  hear(event: EngineEvent): boolean;
  look(engine: Engine, networks: readonly Network[]): Promise<void>;
  /** Everything is inspected again at the next look. */
  forget(): void;
  faults(): readonly Fault[];
  /** Containers with an address on the mesh. */
  count(): number;
  addresses(): readonly string[];
  /** How they are connected, whatever their name. */
  endpoints(): readonly EngineEndpoint[];
  resolve(engine: Engine, name: string): Promise<ResolvedContainer>;
}

export interface BookOptions {
  readonly own: () => readonly Cidr[];
  readonly onWorkloads: (workloads: readonly Workload[]) => void;
}

const inspectionsAtOnce = 8;
/** What ends a container's being reachable, before the engine has tidied up after it. */
const endings = new Set(['die', 'destroy', 'pause', 'stop']);

export function createContainerBook({ own, onWorkloads }: BookOptions): ContainerBook {
  const known = new Map<string, Container>();
  /** To be inspected again at the next look. */
  const stale = new Set<string>();
  let networks: ReadonlyMap<string, Network> = new Map();
  let faults: readonly Fault[] = [];
  let told = '';

  const tell = (): boolean => {
    const surroundings = { own: own(), networks };
    const seen = [...known.values()].map((container) => readContainer(container, surroundings));
    faults = seen.flatMap((one) => one.faults);
    const workloads = seen.flatMap(({ workload }) => (workload === undefined ? [] : [workload]));
    const text = JSON.stringify(workloads);
    if (text === told) return false;
    told = text;
    onWorkloads(workloads);
    return true;
  };
  return {
    hear: ({ Type, Action, Actor }) => {
      const id = Type === 'network' ? (Actor.Attributes?.['container'] ?? '') : Actor.ID;
      stale.add(id);
      // A container that goes on (renamed, another health) stands as it was until the look that follows.
      return endings.has(Action) && known.delete(id) ? tell() : false;
    },
    look: async (engine, all) => {
      networks = new Map(all.map((network) => [network.Name, network]));
      const running = await listContainers(engine);
      const onMesh = running.filter(
        ({ NetworkSettings }) =>
          meshEndpoints({ NetworkSettings: { Networks: NetworkSettings?.Networks } }, own()).length > 0,
      );
      const ids = new Set(onMesh.map(({ Id }) => Id));
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
      const waiting = [...ids].filter((id) => stale.has(id) || !known.has(id));
      stale.clear();
      const worker = async (): Promise<void> => {
        for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
          const container = await inspectIfThere(engine, id);
          if (container === undefined) known.delete(id);
          else known.set(id, container);
        }
      };
      await Promise.all(Array.from({ length: inspectionsAtOnce }, worker));
      tell();
    },
    forget: () => [...known.keys()].forEach((id) => stale.add(id)),
    faults: () => faults,
    count: () => known.size,
    addresses: () => [...known.values()].flatMap((one) => meshEndpoints(one, own())).flatMap((one) => one.addresses),
    endpoints: () => [...known.values()].flatMap((one) => engineEndpoints(one, { own: own(), networks })),
    resolve: async (engine, name) => {
      if (!isContainerName(name)) {
        throw new WarrenError('usage-invalid', `'${name.slice(0, 64)}' is no container name or id`, {
          field: 'target',
        });
      }
      return describe(await inspectContainer(engine, name));
    },
  };
}

function describe(container: Container): ResolvedContainer {
  const { Running, Dead, Pid } = container.State;
  const isRunning = Running && !Dead && Pid > 0;
  return {
    id: container.Id,
    name: container.Name.replace(/^\//, ''),
    isRunning,
    pid: isRunning ? Pid : 0,
    labels: container.Config.Labels ?? {},
    env: container.Config.Env ?? [],
  };
}

async function inspectIfThere(engine: Engine, id: string): Promise<Container | undefined> {
  try {
    return await inspectContainer(engine, id);
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** What commands on this host ask of the container room. */
import { WarrenError } from '../../shared/errors.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import type { DockerReply } from '../local/container-api.ts';
import type { ChoiceBook } from './choices.ts';
import { advertiseLabel, bridgeOf, subnetsOf } from './joined.ts';
import { hostLabel } from './network.ts';
import type { Docker } from './room.ts';
import type { Network } from './api.ts';

export interface DockerCalls {
  networks(): DockerReply;
  advertise(name: string): Promise<DockerReply>;
  unadvertise(name: string): Promise<DockerReply>;
}

export function createDockerCalls(docker: Docker, choices: ChoiceBook, own: () => readonly Cidr[]): DockerCalls {
  const list = (): DockerReply => {
    const view = docker.view();
    const approved = new Set(own());
    return {
      engine: view?.version ?? null,
      network: view?.network ?? null,
      containers: view?.containers ?? 0,
      networks: docker
        .networks()
        .toSorted(byName)
        .map((network) => ({
          name: network.Name.slice(0, 128),
          driver: network.Driver.slice(0, 64),
          bridge: bridgeOf(network),
          subnets: subnetsOf(network),
          state: stateOf(network, choices.list(), approved),
        })),
    };
  };
  return {
    networks: list,
    advertise: async (name) => {
      await docker.settle();
      if (docker.view() === undefined) throw noEngine();
      const network = docker.networks().find((one) => one.Name === name);
      if (network === undefined) {
        throw new WarrenError('not-found', `the engine has no network '${name}'; see docker network ls`, {
          field: 'network',
        });
      }
      if (network.Labels?.[hostLabel] !== undefined) {
        throw new WarrenError('conflict', `'${name}' is Warren's own network and on the mesh already`, {
          field: 'network',
        });
      }
      if (network.Driver !== 'bridge') {
        throw new WarrenError('conflict', `'${name}' has the driver ${network.Driver}; only bridge networks can join`, {
          field: 'network',
        });
      }
      await choices.add(name);
      await docker.settle();
      return list();
    },
    unadvertise: async (name) => {
      if (!(await choices.remove(name))) {
        const remedy = `one with the label ${advertiseLabel} leaves when it is made anew without it`;
        throw new WarrenError('not-found', `'${name}' did not join by command; ${remedy}`, { field: 'network' });
      }
      await docker.settle();
      return list();
    },
  };
}

/** The engine lists them in another order each time. */
const byName = (a: Network, b: Network): number => a.Name.localeCompare(b.Name);

function stateOf(
  network: Network,
  chosen: readonly string[],
  approved: ReadonlySet<string>,
): DockerReply['networks'][number]['state'] {
  if (network.Labels?.[hostLabel] !== undefined) return 'own';
  if (network.Labels?.[advertiseLabel] !== 'true' && !chosen.includes(network.Name)) return 'apart';
  return subnetsOf(network).some((subnet) => approved.has(subnet)) ? 'joined' : 'pending';
}

const noEngine = (): WarrenError =>
  new WarrenError(
    'unreachable',
    'no container engine answers on this host; start it, or name its socket with WARREN_DOCKER',
  );

/**
 * Containers as the mesh knows them. Pure. What the engine says was written by whoever may start containers: a name that
 * is no DNS label keeps its container from being called by it, never from having its address or being in its segment.
 */
import type { Address } from '../../shared/net/address.ts';
import { isAddress } from '../../shared/net/address.ts';
import { type Cidr, containsAddress } from '../../shared/net/cidr.ts';
import {
  type ExposedPort,
  type Label,
  type SegmentName,
  type SharedVariable,
  type Workload,
  parseLabel,
  parseSegmentName,
  sharedVariableSchema,
} from '../../shared/workload.ts';
import type { Fault } from '../failures.ts';
import type { Container, Network } from './api.ts';
import { bridgeOf } from './joined.ts';
import type { EngineEndpoint } from './endpoint.ts';

export const segmentLabel = 'warren.segment';
export const serviceLabel = 'warren.service';
export const variablesLabel = 'warren.env';

export interface Surroundings {
  /** Prefixes whose addresses are on the mesh: this host's leases and its approved subnets. */
  readonly own: readonly Cidr[];
  /** By name. */
  readonly networks: ReadonlyMap<string, Network>;
}

export interface Seen {
  readonly workload: Workload | undefined;
  readonly faults: readonly Fault[];
}

/** What a container is to the mesh; nothing when it does not run or has no address there. */
export function readContainer(container: Container, { own, networks }: Surroundings): Seen {
  const faults: Fault[] = [];
  const name = container.Name.replace(/^\//, '');
  const onMesh = meshEndpoints(container, own);
  if (!isAlive(container) || onMesh.length === 0) return { workload: undefined, faults };
  const refuse = (why: string): void => void faults.push({ kind: 'container-refused', subject: name, why });
  const label = readLabel(name) ?? parseLabel(`c-${container.Id.slice(0, 12)}`);
  if (readLabel(name) === undefined)
    refuse(`its name is no DNS label, so on the mesh it is called ${label}; name it with a-z, 0-9, '_' and '-'`);
  const labels = container.Config.Labels ?? {};
  const segments = onMesh.map(({ network }) => networkSegment(networks.get(network)));
  const segment = readSegment(labels[segmentLabel] ?? segments.find((one) => one !== undefined), refuse);
  return {
    workload: {
      name: label,
      services: servicesOf(container, onMesh, label),
      addresses: onMesh
        .flatMap(({ addresses }) => addresses)
        .sort(byFamily)
        .slice(0, 4),
      ports: readPorts(Object.keys(container.Config.ExposedPorts ?? {})),
      segment,
      isHealthy: (container.State.Health?.Status ?? 'none') === 'none' || container.State.Health?.Status === 'healthy',
      variables: sharedVariables(container.Config.Env ?? [], labels[variablesLabel]),
    },
    faults,
  };
}

interface MeshEndpoint {
  readonly id: string;
  readonly network: string;
  readonly addresses: readonly Address[];
  readonly aliases: readonly string[];
  readonly mac: string | undefined;
}

export function meshEndpoints(container: Pick<Container, 'NetworkSettings'>, own: readonly Cidr[]): MeshEndpoint[] {
  const isOwn = (address: string): address is Address =>
    isAddress(address) && own.some((prefix) => containsAddress(prefix, address));
  return Object.entries(container.NetworkSettings.Networks ?? {}).flatMap(([network, endpoint]) => {
    const addresses = [endpoint?.IPAddress ?? '', endpoint?.GlobalIPv6Address ?? ''].filter(isOwn);
    if (endpoint === null || addresses.length === 0) return [];
    const { EndpointID, Aliases, MacAddress } = endpoint;
    const mac = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(MacAddress) ? MacAddress.toLowerCase() : undefined;
    return [{ id: EndpointID, network, addresses, aliases: Aliases ?? [], mac }];
  });
}

/** Its connections by bridges of the engine's own; those of drivers have ports that the drivers know. */
export function engineEndpoints(container: Container, { own, networks }: Surroundings): EngineEndpoint[] {
  return meshEndpoints(container, own).flatMap(({ id, network: name, addresses, mac }) => {
    const network = networks.get(name);
    if (network?.Driver !== 'bridge' || container.State.Pid <= 0) return [];
    const { Pid: pid } = container.State;
    return [{ id, container: container.Name.replace(/^\//, ''), pid, bridgeName: bridgeOf(network), addresses, mac }];
  });
}

const isAlive = ({ State }: Container): boolean => State.Running && !State.Paused && !State.Restarting && !State.Dead;

/** Compose's service, the user's aliases and the names of the label; not what Docker adds by itself. */
function servicesOf(container: Container, onMesh: readonly MeshEndpoint[], name: Label): Label[] {
  const labels = container.Config.Labels ?? {};
  const composed = labels['com.docker.compose.service'];
  const said = [
    ...(composed === undefined ? [] : [composed]),
    ...(labels[serviceLabel] ?? '').split(',').map((text) => text.trim()),
    ...onMesh.flatMap(({ aliases }) => aliases).filter((alias) => !container.Id.startsWith(alias)),
  ];
  const found = new Set(said.map(readLabel).filter((label) => label !== undefined));
  found.delete(name);
  return [...found].slice(0, 16);
}

function readPorts(exposed: readonly string[]): ExposedPort[] {
  const ports = exposed.flatMap((text): ExposedPort[] => {
    const [, port, protocol] = /^([1-9]\d{0,4})\/(tcp|udp)$/.exec(text) ?? [];
    if (port === undefined || Number(port) > 65535) return [];
    return [{ port: Number(port), protocol: protocol === 'udp' ? 'udp' : 'tcp' }];
  });
  return ports.sort((a, b) => a.protocol.localeCompare(b.protocol) || a.port - b.port).slice(0, 64);
}

/** Only what the label names: an environment holds secrets. */
function sharedVariables(env: readonly string[], named: string | undefined): SharedVariable[] {
  const names = new Set((named ?? '').split(',').map((text) => text.trim()));
  const isShared = (name: string): boolean => name !== 'PATH' && name !== 'HOME' && (names.has('*') || names.has(name));
  return env
    .flatMap((text) => {
      const at = text.indexOf('=');
      const variable = sharedVariableSchema.safeParse({ name: text.slice(0, at), value: text.slice(at + 1) });
      return at > 0 && variable.success && isShared(variable.data.name) ? [variable.data] : [];
    })
    .slice(0, 32);
}

/** A plugin network says it as an option (`-o segment=`), any other one as a label. */
const networkSegment = (network: Network | undefined): string | undefined =>
  network?.Labels?.[segmentLabel] ?? network?.Options?.['segment'];

function readSegment(text: string | undefined, refuse: (why: string) => void): SegmentName | null {
  if (text === undefined) return null;
  try {
    return parseSegmentName(text);
  } catch {
    // Alone in a segment that nobody else can name, because joining the open one could show more than was meant.
    refuse(`'${text.slice(0, 40)}' is no segment name; until that is mended it is in the segment 'refused'`);
    return parseSegmentName('refused');
  }
}

function readLabel(text: string): Label | undefined {
  try {
    return parseLabel(text.toLowerCase());
  } catch {
    return undefined;
  }
}

const byFamily = (a: Address, b: Address): number => Number(a.includes(':')) - Number(b.includes(':'));

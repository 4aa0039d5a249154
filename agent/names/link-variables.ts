/**
 * The variables that Docker's links put into a container (`--link name:alias` on the default bridge, Docker 1.4 to 28),
 * byte for byte and in its order, so that what read them goes on working across hosts. Pure.
 */
import type { ExposedPort } from '../../shared/workload.ts';

export interface Link {
  /** What the container calls the service. */
  readonly alias: string;
  /** Name of the container that reads the variables; stands before the alias in `…_NAME`. */
  readonly reader: string;
  /** IPv4 where there is one, as Docker has it. */
  readonly address: string;
  readonly ports: readonly ExposedPort[];
  /** `NAME=value` of the service's own environment, in its order. */
  readonly environment: readonly string[];
}

export function linkVariables({ alias, reader, address, ports, environment }: Link): string[] {
  const prefix = alias.toUpperCase().replaceAll('-', '_');
  // By number, and TCP first of two that are equal.
  const sorted = [...ports].sort((a, b) => a.port - b.port || (a.protocol === 'tcp' ? -1 : 1));
  const url = ({ port, protocol }: ExposedPort): string => `${protocol}://${address}:${port}`;
  const [first] = sorted;
  return withoutRepeats([
    ...(first === undefined ? [] : [`${prefix}_PORT=${url(first)}`]),
    ...rangeVariables(prefix, address, sorted),
    ...sorted.flatMap((one) => {
      const name = `${prefix}_PORT_${one.port}_${one.protocol.toUpperCase()}`;
      return [
        `${name}=${url(one)}`,
        `${name}_ADDR=${address}`,
        `${name}_PORT=${one.port}`,
        `${name}_PROTO=${one.protocol}`,
      ];
    }),
    `${prefix}_NAME=/${reader}/${alias}`,
    ...environment
      .filter((text) => text.includes('=') && !/^(?:HOME|PATH)=/.test(text))
      .map((text) => `${prefix}_ENV_${text}`),
  ]);
}

/** A run and its first port share `…_ADDR` and `…_PROTO`; a container sees a name once, where it stood first. */
function withoutRepeats(variables: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const text of variables) byName.set(text.slice(0, text.indexOf('=')), text);
  return [...byName.values()];
}

/** Runs of consecutive numbers are told by their ends as well. */
function rangeVariables(prefix: string, address: string, sorted: readonly ExposedPort[]): string[] {
  const variables: string[] = [];
  for (let i = 0; i < sorted.length;) {
    const end = endOfRun(sorted, i);
    const [from, to] = [sorted[i], sorted[end]];
    if (from === undefined || to === undefined || end <= i + 1) {
      i += 1;
      continue;
    }
    const name = (one: ExposedPort): string => `${prefix}_PORT_${from.port}_${one.protocol.toUpperCase()}`;
    variables.push(
      `${name(from)}_START=${from.protocol}://${address}:${from.port}`,
      `${name(from)}_ADDR=${address}`,
      `${name(from)}_PROTO=${from.protocol}`,
      `${name(from)}_PORT_START=${from.port}`,
      `${name(to)}_END=${to.protocol}://${address}:${to.port}`,
      `${name(to)}_PORT_END=${to.port}`,
    );
    i = end + 1;
  }
  return variables;
}

/** Docker counts one on per port, whatever the port's number is, so a number that stands twice ends no run. */
function endOfRun(sorted: readonly ExposedPort[], start: number): number {
  let value = sorted[start]?.port ?? 0;
  for (let i = start + 1; i < sorted.length; i += 1) {
    if ((sorted[i]?.port ?? 0) > value + 1) return i - 1;
    value += 1;
  }
  return sorted.length - 1;
}

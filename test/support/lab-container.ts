/** A container of a lab: a network namespace that `warren attach` joined to the mesh. */
import type { CommandOptions, CommandResult } from './command.ts';
import type { LabHost } from './lab-host.ts';
import { makeNamespace, runInside } from './namespace.ts';

export interface LabContainer {
  readonly name: string;
  readonly namespace: string;
  readonly host: LabHost;
  /** Without prefix lengths, IPv4 first. */
  readonly addresses: readonly string[];
  /** Any command inside the container. */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
}

export async function makeContainer(host: LabHost): Promise<LabContainer> {
  const name = `${host.name}-c${host.containers.length + 1}`;
  const namespace = `${host.namespace}c${host.containers.length + 1}`;
  await makeNamespace(namespace);
  await host.warren(['attach', `netns:${namespace}`, '--json']);
  return registerContainer(host, name, namespace);
}

/** A namespace that is on the mesh already, as the next container of its host. */
export async function registerContainer(host: LabHost, name: string, namespace: string): Promise<LabContainer> {
  const container: LabContainer = {
    name,
    namespace,
    host,
    addresses: await addressesOf(namespace),
    run: (argv, options) => runInside(namespace, argv, options),
  };
  host.containers.push(container);
  return container;
}

/** What the kernel says, not what the command answered. */
export async function addressesOf(namespace: string): Promise<string[]> {
  const { stdout } = await runInside(namespace, ['ip', '-j', 'addr', 'show', 'scope', 'global']);
  const links = JSON.parse(stdout) as { addr_info?: { local?: string }[] }[];
  const all = links.flatMap((link) =>
    (link.addr_info ?? []).flatMap(({ local }) => (local === undefined ? [] : [local])),
  );
  return all.sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')));
}

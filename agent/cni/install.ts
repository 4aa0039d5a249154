/** Makes the plugin known to a container runtime: a program of that name in its folder, and a network that uses it. */
import { chmod, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { WarrenError } from '../../shared/errors.ts';
import { writeDurably } from '../durable.ts';

export const pluginName = 'warren-cni';

/** A script, because Warren may be more than one file; it holds nothing but paths that passed a grammar. */
export function formatWrapper(program: readonly string[]): string {
  const words = program.map((word) => {
    if (/^[A-Za-z0-9/_.:@+=-]+$/.test(word)) return `'${word}'`;
    throw new WarrenError(
      'usage-invalid',
      `the path ${word.slice(0, 200)} cannot stand in a script; install Warren elsewhere`,
    );
  });
  return `#!/bin/sh\n# Made by warren cni install.\nexec ${words.join(' ')} cni "$@"\n`;
}

/** With port mappings, because a runtime's -p is served by Debian's and everybody's portmap. */
export function formatConflist(name: string, instance: string): string {
  const plugin = {
    type: pluginName,
    ...(instance === 'default' ? {} : { instance }),
    capabilities: { ips: true, mac: true, aliases: true },
  };
  const portmap = { type: 'portmap', capabilities: { portMappings: true }, snat: true };
  return `${JSON.stringify({ cniVersion: '0.4.0', name, plugins: [plugin, portmap] }, undefined, 2)}\n`;
}

export async function installPlugin(folder: string, wrapper: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, pluginName);
  await writeDurably(path, wrapper, 0o755);
  await chmod(path, 0o755);
  return path;
}

export async function installConflist(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeDurably(path, text, 0o644);
  await chmod(path, 0o644);
}

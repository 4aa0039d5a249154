/** CNI on one host of a lab: the plugin's folder, and calls as a container runtime makes them. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandResult } from './command.ts';
import type { LabHost } from './lab-host.ts';

/** Debian's plugins (containernetworking-plugins). */
export const debianPlugins = '/usr/lib/cni';

export interface LabCni {
  readonly dir: string;
  /** `type`: a plugin; `config`: what stands on its standard input. Exit codes are not looked at. */
  call(type: string, command: string, config: object, changes?: CniEnvironment): Promise<CniReply>;
}

export interface CniEnvironment {
  readonly containerId?: string;
  /** Name of a namespace. */
  readonly namespace?: string;
  readonly interfaceName?: string;
  readonly args?: string;
}

export interface CniReply extends CommandResult {
  /** Standard output, undefined where it is empty. */
  readonly reply: Record<string, unknown> | undefined;
}

/** `warren cni install` and, beside it, nothing. */
export async function makeCni(host: LabHost): Promise<LabCni> {
  const dir = join(host.dir, 'cni');
  mkdirSync(dir, { recursive: true });
  await host.warren(['cni', 'install', dir]);
  return {
    dir,
    async call(type, command, config, changes = {}) {
      const { containerId = 'c1', namespace, interfaceName = 'eth0', args } = changes;
      const env = {
        ...host.settings,
        CNI_COMMAND: command,
        CNI_CONTAINERID: containerId,
        CNI_IFNAME: interfaceName,
        CNI_PATH: `${dir}:${debianPlugins}`,
        ...(namespace === undefined ? {} : { CNI_NETNS: `/run/netns/${namespace}` }),
        ...(args === undefined ? {} : { CNI_ARGS: args }),
      };
      const program = join(type === 'warren-cni' ? dir : debianPlugins, type);
      const result = await host.run([program], { env, input: JSON.stringify(config), okCodes: 'any' });
      const reply = result.stdout.trim() === '' ? undefined : (JSON.parse(result.stdout) as Record<string, unknown>);
      return { ...result, reply };
    },
  };
}

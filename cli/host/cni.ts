/** `warren cni`: the CNI plugin, called by container runtimes, and `warren cni install` */
import { CniError, asCniError, asCommandError, formatError } from '../../agent/cni/error.ts';
import { formatConflist, formatWrapper, installConflist, installPlugin } from '../../agent/cni/install.ts';
import { runCni } from '../../agent/cni/plugin.ts';
import { readCommand, readRequest, versionOf } from '../../agent/cni/request.ts';
import { newestVersion, supportedVersions } from '../../agent/cni/version.ts';
import { createSystem } from '../../agent/system/run.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Io, Register } from '../command.ts';
import { type InstanceOptions, agentOf, settingsOf, withInstance } from './instance.ts';

interface InstallOptions extends InstanceOptions {
  readonly conflist?: string;
  readonly name: string;
}

export const register: Register = (program, io) => {
  const cni = withInstance(program.command('cni'))
    .description('the CNI plugin; container runtimes call it with CNI_COMMAND set')
    .action((options: InstanceOptions) => answer(options, io));
  cni
    .command('install')
    .description('make the plugin known to a container runtime')
    .argument('<folder>', 'folder of CNI plugins, /opt/cni/bin or /usr/lib/cni most of the time')
    .option('--conflist <file>', 'also write a network that uses it, /etc/cni/net.d/10-warren.conflist for example')
    .option('--name <name>', "the network's name", 'warren')
    .action(async (folder: string, _: unknown, command: { optsWithGlobals(): InstallOptions }) => {
      const options = command.optsWithGlobals();
      if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(options.name)) {
        throw new WarrenError('usage-invalid', '--name is no network name; use letters, digits, . _ and -');
      }
      const { instance } = settingsOf(options, io);
      const plugin = await installPlugin(folder, formatWrapper(io.program));
      const { conflist } = options;
      if (conflist !== undefined) await installConflist(conflist, formatConflist(options.name, instance));
      io.output.data({ plugin, conflist: conflist ?? null }, () => [plugin, conflist ?? ''].join('\n').trim());
    });
};

/** The runtime reads JSON from standard output, also of an error. */
async function answer(options: InstanceOptions, io: Io): Promise<void> {
  let cniVersion: string = newestVersion;
  try {
    if (readCommand(io.env) === 'VERSION') {
      io.output.json({ cniVersion, supportedVersions });
      return;
    }
    const input = await io.readInput();
    cniVersion = versionOf(input);
    const request = readRequest(io.env, input);
    const { instance } = request.config;
    const call = agentOf(instance === undefined ? options : { ...options, instance }, io);
    const result = await runCni(request, { call, system: createSystem() });
    if (result !== undefined) io.output.json(result);
  } catch (thrown) {
    const error = thrown instanceof CniError ? thrown : asCniError(thrown);
    io.output.json(formatError(error, cniVersion));
    throw asCommandError(error);
  }
}

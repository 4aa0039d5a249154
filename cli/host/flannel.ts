/** `warren flannel docker-opts`: flannel's `mk-docker-opts.sh`, for machines that came from flannel */
import { isMissing, readIfThere, writeDurably } from '../../agent/durable.ts';
import { formatDockerOpts } from '../../agent/flannel/docker-opts.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Register } from '../command.ts';
import { type InstanceOptions, settingsOf, withInstance } from './instance.ts';

interface DockerOptsOptions extends InstanceOptions {
  readonly f?: string;
  readonly d: string;
  readonly i?: true;
  readonly c?: true;
  readonly m?: true;
  readonly k: string;
}

export const register: Register = (program, io) => {
  const flannel = program.command('flannel').description('what flannel did for Docker, out of subnet.env');
  withInstance(flannel.command('docker-opts'))
    .description('write the options by which Docker takes its bridge from subnet.env')
    .option('-f <file>', "the agent's subnet.env by default")
    .option('-d <file>', 'file to write', '/run/docker_opts.env')
    .option('-i', 'one variable for each option')
    .option('-c', 'all options in one variable')
    .option('-m', 'without --ip-masq')
    .option('-k <name>', 'name of the variable for all options', 'DOCKER_OPTS')
    .action(async (options: DockerOptsOptions) => {
      const source = options.f ?? settingsOf(options, io).subnetEnvFile;
      const text = await readIfThere(source);
      if (text === undefined) {
        throw new WarrenError(
          'not-found',
          `${source} is not there; the agent writes it when it has a container subnet`,
        );
      }
      const opts = formatDockerOpts(text, {
        isIndividual: options.i === true,
        isCombined: options.c === true,
        isMasqueradeLeftOut: options.m === true,
        key: options.k,
      });
      await write(options.d, opts);
      io.output.data({ file: options.d }, () => options.d);
    });
};

async function write(path: string, text: string): Promise<void> {
  try {
    await writeDurably(path, text, 0o644);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new WarrenError('not-found', `the folder of ${path} is not there; make it first`, { cause: error });
  }
}

/** `warren env`: a service as the variables that Docker's links would have set. */
import type { Register } from '../command.ts';
import { type InstanceOptions, agentOf, withInstance } from './instance.ts';

interface EnvOptions extends InstanceOptions {
  readonly alias?: string;
  readonly for?: string;
}

export const register: Register = (program, io) => {
  withInstance(program.command('env'))
    .description(
      "print Docker's link variables for a service on any host, one NAME=value a line (docker run --env-file)",
    )
    .argument('<service>', 'name of a service or a container')
    .option('--alias <name>', 'what the variables are called after; the service by default')
    .option('--for <container>', 'who reads them: stands in …_NAME as Docker has it; warren by default')
    .action(async (service: string, options: EnvOptions) => {
      const { alias, for: reader } = options;
      const { variables } = await agentOf(options, io)('variables', {
        service,
        ...(alias === undefined ? {} : { alias }),
        ...(reader === undefined ? {} : { reader }),
      });
      io.output.data({ variables }, () => variables.join('\n'));
    });
};

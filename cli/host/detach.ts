/** `warren detach` */
import { parseTarget } from '../../agent/attach/target.ts';
import type { Register } from '../command.ts';
import { type InstanceOptions, agentOf, withInstance } from './instance.ts';

export const register: Register = (program, io) => {
  withInstance(program.command('detach'))
    .description('take a container, process or namespace out of the mesh; its address becomes free')
    .argument('<target>', 'as it was attached')
    .action(async (target: string, options: InstanceOptions) => {
      const { text } = parseTarget(target);
      await agentOf(options, io)('detach', { target: text });
      io.output.data({ target: text }, () => `detached ${text}`);
    });
};

/** `warren detach` */
import { parseTarget } from '../../agent/attach/target.ts';
import { type InterfaceName, parseInterfaceName } from '../../shared/names.ts';
import { type SegmentName, parseSegmentName } from '../../shared/workload.ts';
import type { Register } from '../command.ts';
import { type InstanceOptions, agentOf, withInstance } from './instance.ts';

interface DetachOptions extends InstanceOptions {
  readonly segment?: SegmentName;
}

interface DetachOptions extends InstanceOptions {
  readonly interface?: InterfaceName;
  readonly segment?: SegmentName;
}

export const register: Register = (program, io) => {
  withInstance(program.command('detach'))
    .description('take a container, process or namespace out of the mesh; its address becomes free')
    .argument('<target>', 'as it was attached')
    .option('--interface <name>', 'only this one of its interfaces', parseInterfaceName)
    .option('--segment <name>', 'only out of this segment', parseSegmentName)
    .action(async (target: string, options: DetachOptions) => {
      const { text } = parseTarget(target);
      const { interface: name, segment } = options;
      await agentOf(options, io)('detach', { target: text, interface: name, segment });
      io.output.data({ target: text }, () => `detached ${text}`);
    });
};

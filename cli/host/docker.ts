/** `warren docker`: what this host's container engine has on the mesh. */
import type { DockerReply } from '../../agent/local/container-api.ts';
import type { Register } from '../command.ts';
import type { Table } from '../output.ts';
import { type InstanceOptions, agentOf, withInstance } from './instance.ts';

export const register: Register = (program, io) => {
  const docker = program
    .command('docker')
    .description('networks of this host’s container engine, and which are on the mesh');
  const show = (reply: DockerReply): void => io.output.data(reply, () => tableOf(reply));
  withInstance(docker.command('ls'))
    .description('list the engine’s networks')
    .action(async (options: InstanceOptions) => show(await agentOf(options, io)('docker', {})));
  withInstance(docker.command('advertise'))
    .description('join a network of the engine to the mesh; an operator approves its subnets (warren subnet approve)')
    .argument('<network>', 'name of a bridge network')
    .action(async (network: string, options: InstanceOptions) =>
      show(await agentOf(options, io)('advertise', { network })),
    );
  withInstance(docker.command('unadvertise'))
    .description('take it out again')
    .argument('<network>', 'as it was advertised')
    .action(async (network: string, options: InstanceOptions) =>
      show(await agentOf(options, io)('unadvertise', { network })),
    );
};

function tableOf({ networks }: DockerReply): Table {
  return {
    columns: ['network', 'driver', 'bridge', 'subnets', 'mesh'],
    rows: networks.map((one) => [one.name, one.driver, one.bridge, one.subnets.join(' '), one.state]),
  };
}

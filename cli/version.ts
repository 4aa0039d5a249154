/** `warren version` */
import { protocolVersion } from '../shared/protocol.ts';
import { version } from '../shared/version.ts';
import type { Register } from './command.ts';

export const register: Register = (program, { output }) => {
  program
    .command('version')
    .description('show the version')
    .action(() => {
      output.data({ version, protocol: protocolVersion, node: process.version }, () => `warren ${version}`);
    });
};

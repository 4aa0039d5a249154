/** `warren server backup FILE`: a whole copy of the server's state, also while the server runs. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { loadServerConfig } from '../../server/config.ts';
import type { Io } from '../command.ts';
import { flagsOf } from './options.ts';

export function registerBackup(server: Command, io: Io): void {
  server
    .command('backup')
    .description('write a checked copy of everything the server is, keys included, while it runs')
    .argument('<file>', 'written whole or not at all, readable by you only')
    .option('--config <file>', 'YAML configuration')
    .option('--state <dir>', 'state directory')
    .action(async (file: string, _options: unknown, command: Command) => {
      const { stateDir } = await loadServerConfig({ flags: flagsOf(command), env: io.env });
      const { backupDatabase } = await import('../../server/store/backup.ts');
      const { statePaths } = await import('../../server/state-dir.ts');
      const target = resolve(file);
      await backupDatabase(statePaths(stateDir).database, target);
      io.output.data({ file: target }, () => `wrote ${target}; it holds the CA's key, keep it as safe as the server`);
    });
}

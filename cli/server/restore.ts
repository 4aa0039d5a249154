/** `warren server restore FILE`: puts a backup in the place of the state, under a new epoch. */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { loadServerConfig } from '../../server/config.ts';
import type { Io } from '../command.ts';
import { flagsOf } from './options.ts';

export function registerRestore(server: Command, io: Io): void {
  server
    .command('restore')
    .description('put a backup in place; the server must be stopped')
    .argument('<file>', 'what `warren server backup` wrote')
    .option('--config <file>', 'YAML configuration')
    .option('--state <dir>', 'state directory')
    .action(async (file: string, _options: unknown, command: Command) => {
      const { stateDir } = await loadServerConfig({ flags: flagsOf(command), env: io.env });
      const { restoreBackup } = await import('../../server/store/backup.ts');
      const { prepareStateDir, statePaths } = await import('../../server/state-dir.ts');
      await prepareStateDir(stateDir);
      const restored = restoreBackup({
        backupFile: resolve(file),
        file: statePaths(stateDir).database,
        clock: { now: Date.now },
        random: randomBytes,
      });
      const { revision, replaced } = restored;
      io.output.data(restored, () => {
        const before = replaced === undefined ? '' : `; what was there before is kept in ${replaced}`;
        return `restored revision ${revision}${before}; start the server, every agent takes a full map`;
      });
      io.output.note('API keys are those of the backup; admin.key may be newer than it');
    });
}

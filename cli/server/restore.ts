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
    .option('--key <file>', 'the private key of a sealed backup')
    .option('--config <file>', 'YAML configuration')
    .option('--state <dir>', 'state directory')
    .action(async (file: string, { key }: { key?: string }, command: Command) => {
      const { stateDir } = await loadServerConfig({ flags: flagsOf(command), env: io.env });
      const { restoreBackup } = await import('../../server/store/restore.ts');
      const { prepareStateDir, statePaths } = await import('../../server/state-dir.ts');
      const { readBackupKey, withOpenBackup } = await import('../../server/backups/open-backup.ts');
      await prepareStateDir(stateDir);
      const { database } = statePaths(stateDir);
      const source = { file: resolve(file), key: await readBackupKey(key), draft: `${database}.opened` };
      const restored = await withOpenBackup(source, async (backupFile) =>
        restoreBackup({ backupFile, file: database, clock: { now: Date.now }, random: randomBytes }),
      );
      const { revision, replaced } = restored;
      io.output.data(restored, () => {
        const before = replaced === undefined ? '' : `; what was there before is kept in ${replaced}`;
        return `restored revision ${revision}${before}; start the server, every agent takes a full map`;
      });
      io.output.note('API keys are those of the backup; admin.key may be newer than it');
    });
}

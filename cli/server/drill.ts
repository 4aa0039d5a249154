/** `warren server drill FILE`: tries a backup out without touching any server. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { WarrenError } from '../../shared/errors.ts';
import type { Io } from '../command.ts';
import { fieldTable } from '../output.ts';

export function registerDrill(server: Command, io: Io): void {
  server
    .command('drill')
    .description(
      'restore a backup into a temporary directory, open it, check it and throw it away; no server is touched',
    )
    .argument('<file>', 'what `warren server backup` or a server with backups wrote')
    .option('--key <file>', 'the private key of a sealed backup')
    .option('--scratch <dir>', 'where there is room for it (default: the directory for temporary files)')
    .action(async (file: string, { key, scratch }: { key?: string; scratch?: string }) => {
      const { drillBackup } = await import('../../server/backups/drill.ts');
      const { readBackupKey } = await import('../../server/backups/open-backup.ts');
      const report = await drillBackup({
        file: resolve(file),
        key: await readBackupKey(key),
        now: Date.now(),
        ...(scratch === undefined ? {} : { scratch: resolve(scratch) }),
      });
      const { counts, problems, lastAuditAt, ...rest } = report;
      const lastChange = lastAuditAt === undefined ? null : new Date(lastAuditAt).toISOString();
      const shown = { file: resolve(file), ...rest, lastChange, ...counts, problems };
      io.output.data(shown, () =>
        fieldTable({
          ...shown,
          isSealed: String(shown.isSealed),
          problems: problems.length === 0 ? 'none' : problems.join('; '),
        }),
      );
      if (problems.length > 0) {
        throw new WarrenError('store-corrupt', `the backup opens, but: ${problems.join('; ')}; try an older one`);
      }
    });
}

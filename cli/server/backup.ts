/** `warren server backup FILE`: a whole copy of the server's state, also while the server runs. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { WarrenError } from '../../shared/errors.ts';
import { loadServerConfig } from '../../server/config.ts';
import { type Io, collect } from '../command.ts';
import { flagsOf } from './options.ts';

export function registerBackup(server: Command, io: Io): void {
  server
    .command('backup')
    .description('write a checked copy of everything the server is, keys included, while it runs')
    .argument('<file>', 'written whole or not at all, readable by you only')
    .option(
      '--recipient <key>',
      'seal it to this key of `warren server backup-key`; may be given several times',
      collect,
      [],
    )
    .option('--config <file>', 'YAML configuration')
    .option('--state <dir>', 'state directory')
    .action(async (file: string, { recipient }: { recipient: string[] }, command: Command) => {
      const { stateDir } = await loadServerConfig({ flags: flagsOf(command), env: io.env });
      const { makeBackup } = await import('../../server/backups/backup.ts');
      const { statePaths } = await import('../../server/state-dir.ts');
      const recipients = await readRecipients(recipient);
      const target = resolve(file);
      const { revision } = await makeBackup({ database: statePaths(stateDir).database, target, recipients });
      io.output.data({ file: target, revision, isSealed: recipients.length > 0 }, () =>
        recipients.length > 0
          ? `wrote ${target}, sealed; only a key of its recipients opens it, so try one: warren server drill`
          : `wrote ${target}; it holds the CA's key, keep it as safe as the server`,
      );
    });
}

async function readRecipients(texts: readonly string[]) {
  const { parseRecipients } = await import('../../server/backups/keys.ts');
  try {
    return parseRecipients(texts);
  } catch (cause) {
    throw new WarrenError('usage-invalid', `--recipient: ${cause instanceof Error ? cause.message : ''}`, { cause });
  }
}

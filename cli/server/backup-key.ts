/** `warren server backup-key FILE`: a key that backups are sealed to; made where it is kept, not on the server. */
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { WarrenError } from '../../shared/errors.ts';
import type { Io } from '../command.ts';

export function registerBackupKey(server: Command, io: Io): void {
  server
    .command('backup-key')
    .description('make a key that opens sealed backups; run it where you keep keys, not on the server')
    .argument('<file>', 'the private key, readable by you only; must not be there yet')
    .action(async (file: string) => {
      const { generateBackupKey } = await import('../../server/backups/keys.ts');
      const { recipient, text } = generateBackupKey();
      const path = resolve(file);
      await writeNew(path, `${text.reveal()}\n`);
      io.output.data({ recipient, file: path }, () => recipient);
      io.output.note(`the private key is in ${path}; without it no sealed backup opens, so keep a second copy`);
    });
}

/** Never over an older key: backups may still be sealed to it. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    const handle = await open(path, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'EEXIST')
      throw new WarrenError('conflict', `${path} is there already; choose another file`, { cause });
    throw new WarrenError('not-found', `${path} cannot be written (${String(code)})`, { cause });
  }
}

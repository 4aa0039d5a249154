/** `warren server` and its subcommands. What the server is made of is loaded only when it is started. */
import { type ServerFlags, loadServerConfig } from '../../server/config.ts';
import type { Register } from '../command.ts';
import { registerBackup } from './backup.ts';
import { registerBackupKey } from './backup-key.ts';
import { registerConfigtest } from './configtest.ts';
import { registerDrill } from './drill.ts';
import { withConfigOptions } from './options.ts';
import { registerRestore } from './restore.ts';

export const register: Register = (program, io) => {
  const server = program.command('server').description('run the coordination server');
  withConfigOptions(server).action(async (flags: ServerFlags) => {
    const config = await loadServerConfig({ flags, env: io.env });
    const { runServer } = await import('./run-server.ts');
    await runServer(config, io.output);
  });
  registerBackup(server, io);
  registerRestore(server, io);
  registerBackupKey(server, io);
  registerDrill(server, io);
  registerConfigtest(server, io);
};

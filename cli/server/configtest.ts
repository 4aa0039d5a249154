/** `warren server configtest`: says everything that is wrong with the configuration, or what it comes to. */
import type { Command } from 'commander';
import { loadServerConfig } from '../../server/config.ts';
import type { Io } from '../command.ts';
import { fieldTable } from '../output.ts';
import { flagsOf, withConfigOptions } from './options.ts';

export function registerConfigtest(server: Command, io: Io): void {
  withConfigOptions(server.command('configtest').description('check the configuration and show it')).action(
    async (_options: unknown, command: Command) => {
      const {
        isMetricsDefault: _,
        reflector = 'on',
        backups,
        ...config
      } = await loadServerConfig({ flags: flagsOf(command), env: io.env });
      const shown = {
        ...config,
        listen: formatAddress(config.listen),
        metricsListen: config.metricsListen === undefined ? 'off' : formatAddress(config.metricsListen),
        reflector: typeof reflector === 'string' ? reflector : formatAddress(reflector),
        backupDir: backups?.directory ?? 'off',
        backupEveryMinutes: backups?.everyMinutes ?? null,
        backupKeep: backups?.keep ?? null,
        backupRecipients: backups === undefined ? null : backups.recipients.join(' ') || 'none; they are not sealed',
      };
      io.output.data(shown, () => fieldTable(shown));
    },
  );
}

function formatAddress({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

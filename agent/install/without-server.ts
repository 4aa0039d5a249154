/** `warren server` in the executable for hosts, which carries no server. */
import type { Command } from 'commander';
import { WarrenError } from '../../shared/errors.ts';

export function register(program: Command): void {
  program
    .command('server')
    .description('run the coordination server (not in this executable)')
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => {
      throw new WarrenError(
        'usage-invalid',
        "this is the executable for hosts, without the server; run 'warren server' from the npm package or the server's container image",
      );
    });
}

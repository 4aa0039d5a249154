/** `warren key ...` */
import type { Command } from 'commander';
import { type Key, createKey, listKeys, revokeKey, scopeSchema } from '../../shared/api/keys.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { Io, Register } from '../command.ts';
import type { Table } from '../output.ts';
import { chosen } from './choice.ts';
import { type ServerOptions, connect, withServerOptions } from './connect.ts';
import { wholeList } from './list.ts';
import { parseExpiry, shortTime } from './time.ts';

interface CreateOptions extends ServerOptions {
  readonly scope: string;
  readonly name?: string;
  readonly expires?: string;
}

export const register: Register = (program, io) => {
  const key = program.command('key').description('API keys of people and programs');
  registerCreate(key, io);
  withServerOptions(key.command('ls').description('list keys, without their secrets')).action(
    async (options: ServerOptions) => {
      const call = await connect(options, io);
      const keys = await wholeList((query) => call(listKeys, { query }));
      io.output.data(keys, () => keyTable(keys.items));
    },
  );
  withServerOptions(key.command('revoke').description('revoke a key').argument('<id>')).action(
    async (id: string, options: ServerOptions) => {
      const call = await connect(options, io);
      await call(revokeKey, { params: { id } });
      io.output.data({ id }, () => `revoked ${id}`);
    },
  );
};

function registerCreate(key: Command, io: Io): void {
  withServerOptions(key.command('create').description('make a key; it is shown this once'))
    .requiredOption('--scope <scope>', 'read, operator or admin')
    .option('--name <label>', 'a label for people')
    .option('--expires <when>', '24h, 90d, a moment in RFC 3339, or never; 90d by default')
    .action(async (options: CreateOptions) => {
      const scope = chosen('--scope', scopeSchema, options.scope);
      if (scope === undefined) throw new WarrenError('usage-invalid', 'give --scope');
      const body = {
        scope,
        ...(options.name !== undefined && { name: options.name }),
        ...(options.expires !== undefined && {
          expiresAt: options.expires === 'never' ? null : parseExpiry(options.expires, Date.now()),
        }),
      };
      const call = await connect(options, io);
      const made = await call(createKey, { body });
      io.output.data(made, () => made.key);
      if (io.output.isJson) return;
      io.output.note(`${made.id}, scope ${made.scope}, expires ${shortTime(made.expiresAt) ?? 'never'}`);
    });
}

function keyTable(keys: readonly Key[]): Table {
  return {
    columns: ['id', 'name', 'scope', 'state', 'expires', 'last used'],
    rows: keys.map((one) => [
      one.id,
      one.name,
      one.scope,
      one.state,
      shortTime(one.expiresAt) ?? 'never',
      shortTime(one.lastUsedAt),
    ]),
  };
}

/** `warren token ...` */
import type { Command } from 'commander';
import { type Token, createToken, listTokens, revokeToken } from '../../shared/api/tokens.ts';
import { WarrenError } from '../../shared/errors.ts';
import { formatToken, parseToken } from '../../shared/token.ts';
import { type Io, type Register, collect, wholeNumber } from '../command.ts';
import { seenRoot } from '../lock/places.ts';
import type { Table } from '../output.ts';
import { type ServerOptions, connect, createAdminCall, readConnection, withServerOptions } from './connect.ts';
import { wholeList } from './list.ts';
import { parseExpiry, shortTime } from './time.ts';

interface CreateOptions extends ServerOptions {
  readonly uses?: number;
  readonly expires?: string;
  readonly tag: string[];
  readonly autoApprove: boolean;
  readonly ephemeral?: boolean;
  readonly name?: string;
}

export const register: Register = (program, io) => {
  const token = program.command('token').description('enrollment tokens');
  registerCreate(token, io);
  withServerOptions(token.command('ls').description('list tokens, without their secrets')).action(
    async (options: ServerOptions) => {
      const call = await connect(options, io);
      const tokens = await wholeList((query) => call(listTokens, { query }));
      io.output.data(tokens, () => tokenTable(tokens.items));
    },
  );
  withServerOptions(
    token.command('revoke').description('revoke a token; hosts that used it stay').argument('<id>'),
  ).action(async (id: string, options: ServerOptions) => {
    const call = await connect(options, io);
    await call(revokeToken, { params: { id } });
    io.output.data({ id }, () => `revoked ${id}`);
  });
};

function registerCreate(token: Command, io: Io): void {
  withServerOptions(token.command('create').description('make a token; it is shown this once'))
    .option('--uses <number>', 'how many machines may enroll with it; 1 by default', wholeNumber('--uses', 1, 100_000))
    .option('--expires <when>', '30m, 24h, 90d or a moment in RFC 3339; 24h by default')
    .option('--tag <tag>', 'a tag for the hosts; may be given several times', collect, [])
    .option('--no-auto-approve', 'hosts wait until somebody approves them')
    .option('--ephemeral', 'hosts are removed after they were away for a while')
    .option('--name <label>', 'a label for people')
    .action(async (options: CreateOptions) => {
      const body = {
        tags: options.tag,
        autoApprove: options.autoApprove,
        ephemeral: options.ephemeral === true,
        ...(options.uses !== undefined && { uses: options.uses }),
        ...(options.expires !== undefined && { expiresAt: parseExpiry(options.expires, Date.now()) }),
        ...(options.name !== undefined && { name: options.name }),
      };
      const connection = await readConnection(options, io.env);
      const told = await createAdminCall(connection)(createToken, { body });
      const made = withRoot(told, await seenRoot(io.env, connection.serverUrl));
      // The token alone on stdout, so that `TOKEN=$(warren token create)` works.
      io.output.data(made, () => made.token);
      // Notes of a program end up in logs, where a secret has no place; programs find the command in the JSON.
      if (io.output.isJson || !io.isTerminal) return;
      const times = made.uses === 1 ? 'once' : `${made.uses} times`;
      io.output.note(`good ${times}, until ${shortTime(made.expiresAt)}; on a new machine, as root:`);
      io.output.note(made.installCommand);
    });
}

/** Whoever joins pins the root that this machine has seen; the server's word for it is not enough. */
function withRoot<Made extends { token: string; installCommand: string }>(made: Made, root: string | undefined): Made {
  const token = parseToken(made.token);
  if (root === undefined || token.lockRoot === root) return made;
  if (token.lockRoot !== undefined) {
    throw new WarrenError(
      'lock-refused',
      `the server made a token of a lock with the root ${token.lockRoot}, this machine has seen ${root}; see 'warren lock status'`,
    );
  }
  const pinning = formatToken({ ...token, lockRoot: root });
  return { ...made, token: pinning, installCommand: made.installCommand.replace(made.token, pinning) };
}

function tokenTable(tokens: readonly Token[]): Table {
  return {
    columns: ['id', 'name', 'state', 'uses left', 'expires', 'tags', 'approval', 'ephemeral'],
    rows: tokens.map((one) => [
      one.id,
      one.name,
      one.state,
      `${one.usesLeft}/${one.uses}`,
      shortTime(one.expiresAt),
      one.tags.join(' '),
      one.autoApprove ? 'automatic' : 'by hand',
      one.ephemeral ? 'yes' : 'no',
    ]),
  };
}

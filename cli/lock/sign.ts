/** `warren lock sign|revoke|push` */
import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { type EntryClaim, lockEntrySchema } from '../../shared/lock/entry.ts';
import type { LockState } from '../../shared/lock/log.ts';
import { signedForm } from '../../shared/lock/record.ts';
import { confirm } from '../admin/confirm.ts';
import { parseExpiry } from '../admin/time.ts';
import type { Io } from '../command.ts';
import type { Table } from '../output.ts';
import { type LockedHost, readHosts, signedId } from './hosts.ts';
import { readSigner } from './key.ts';
import { withLockOptions } from './options.ts';
import { type LockOptions, openLock } from './session.ts';

interface SignOptions extends LockOptions {
  readonly all?: boolean;
  readonly expires?: string;
  readonly yes?: boolean;
}

export function registerSigning(lock: Command, io: Io): void {
  withLockOptions(
    lock
      .command('sign')
      .description('sign hosts as the server tells of them: id, name, key, addresses, leases, subnets')
      .argument('[host...]', 'by name or id'),
  )
    .option('--all', 'every host of which something is not signed')
    .option('--expires <when>', '24h, 90d or a moment in RFC 3339; without it, until another entry')
    .option('-y, --yes', 'do not ask')
    .action((names: string[], options: SignOptions) => signHosts(names, options, io));
  withLockOptions(
    lock.command('revoke').description('take a host’s signature back; no host takes it again').argument('<host>'),
  ).action(async (text: string, options: LockOptions) => {
    const session = await openLock(options, io);
    const id = await signedId(session.call, session.state, text);
    const sequence = nextSequence(session.state, id);
    await session.append(await readSigner(session.places), [{ kind: 'host-removed', id, sequence }]);
    io.output.data({ id }, () => `revoked ${id}`);
  });
  withLockOptions(
    lock
      .command('push')
      .description('give a server that lost entries what `warren lock log --json` once printed')
      .argument('<file>'),
  ).action(async (file: string, options: LockOptions) => push(file, options, io));
}

async function signHosts(names: readonly string[], options: SignOptions, io: Io): Promise<void> {
  if (names.length > 0 === (options.all === true)) {
    throw new WarrenError('usage-invalid', 'which hosts? name them, or give --all');
  }
  const session = await openLock(options, io);
  if (session.state === undefined) throw new WarrenError('conflict', 'the mesh is not locked; see warren lock init');
  const signer = await readSigner(session.places);
  const now = Date.now();
  const expiresAt = options.expires === undefined ? null : Date.parse(parseExpiry(options.expires, now));
  const chosen = choose(await readHosts(session.call, session.state, now), names);
  const claims = chosen.flatMap(({ told }): EntryClaim[] => {
    if (told === undefined) return [];
    const sequence = nextSequence(session.state, told.id);
    return [{ kind: 'host', host: signedForm(told, { sequence, expiresAt }) }];
  });
  const shown = chosen.map(({ told }) => told).filter((told) => told !== undefined);
  if (claims.length > 0) {
    if (io.isTerminal && options.yes !== true) io.output.note(describe(chosen));
    await confirm(`Sign ${claims.length === 1 ? 'this host' : `these ${claims.length} hosts`}?`, options.yes, io);
    await session.append(signer, claims);
  }
  io.output.data({ items: shown }, () => (claims.length === 0 ? 'nothing to sign' : signedTable(chosen)));
}

/** Throws `not-found` for a name that no host has. */
function choose(hosts: readonly LockedHost[], names: readonly string[]): LockedHost[] {
  if (names.length === 0) return hosts.filter(({ open }) => open.length > 0);
  return names.map((text) => {
    const found = hosts.find(({ host }) => host.id === text) ?? hosts.find(({ host }) => host.name === text);
    if (found?.told !== undefined) return found;
    throw new WarrenError('not-found', `no host that has enrolled is called '${text}'; see 'warren lock status'`);
  });
}

const nextSequence = (state: LockState | undefined, id: LockedHost['host']['id']): number =>
  (state?.sequences.get(id) ?? -1) + 1;

const describe = (hosts: readonly LockedHost[]): string =>
  hosts
    .map(({ told }) => told && [told.name, told.id, told.publicKey, ...told.addresses, ...told.leases, ...told.subnets])
    .map((words) => words?.join(' ') ?? '')
    .join('\n');

function signedTable(hosts: readonly LockedHost[]): Table {
  return {
    columns: ['name', 'id', 'key', 'addresses', 'leases', 'subnets'],
    rows: hosts.flatMap(({ told }) =>
      told === undefined
        ? []
        : [
            [
              told.name,
              told.id,
              told.publicKey,
              told.addresses.join(' '),
              told.leases.join(' '),
              told.subnets.join(' '),
            ],
          ],
    ),
  };
}

const logFileSchema = z.object({ entries: z.array(lockEntrySchema) });

async function push(file: string, options: LockOptions, io: Io): Promise<void> {
  const { entries } = readLogFile(await readFile(file, 'utf8'), file);
  const session = await openLock({ ...options, isPush: true }, io);
  const after = await session.push(entries.slice(session.entries.length));
  io.output.data({ root: after.root, height: after.height }, () => `the log has ${after.height} entries again`);
}

function readLogFile(text: string, file: string): z.infer<typeof logFileSchema> {
  try {
    return logFileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new WarrenError('usage-invalid', `${file} is not what 'warren lock log --json' prints`, { cause });
  }
}

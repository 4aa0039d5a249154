/**
 * `warren lock ...`: a locked mesh. Admins' keys sign who is in it, on admins' machines; the server only keeps what is
 * signed, and hosts believe nothing else. `docs/lock.md` explains it.
 */
import type { Command } from 'commander';
import { WarrenError } from '../../shared/errors.ts';
import type { EntryBody } from '../../shared/lock/entry.ts';
import type { Io, Register } from '../command.ts';
import { type InstanceOptions, agentOf, withInstance } from '../host/instance.ts';
import { formatTable } from '../table.ts';
import { fieldTable } from '../output.ts';
import { readHosts } from './hosts.ts';
import { registerKeys } from './keys.ts';
import { parseRoot, withLockOptions } from './options.ts';
import { type LockOptions, bodiesOf, openLock } from './session.ts';
import { registerSigning } from './sign.ts';

export const register: Register = (program, io) => {
  const lock = program.command('lock').description('a locked mesh: keys of admins sign who is in it');
  registerKeys(lock, io);
  registerSigning(lock, io);
  withLockOptions(lock.command('status').description('check the log, and show keys and how each host stands')).action(
    (options: LockOptions) => status(options, io),
  );
  withLockOptions(lock.command('log').description('check the log and show its entries')).action(
    (options: LockOptions) => log(options, io),
  );
  registerPins(lock, io);
};

function registerPins(lock: Command, io: Io): void {
  withInstance(lock.command('pin').description('on a host: believe only what the lock with this root signs'))
    .argument('<root>')
    .option('--replace', 'in place of the root that is pinned')
    .action(async (text: string, options: InstanceOptions & { replace?: boolean }) => {
      const root = parseRoot(text);
      await agentOf(options, io)('lockpin', { root, isReplacing: options.replace === true });
      io.output.data({ root }, () => `pinned ${root}`);
    });
  withInstance(lock.command('unpin').description('on a host: believe the server again')).action(
    async (options: InstanceOptions) => {
      await agentOf(options, io)('lockunpin', {});
      io.output.data({ root: null }, () => 'no root is pinned any more');
    },
  );
}

async function status(options: LockOptions, io: Io): Promise<void> {
  const { call, state } = await openLock(options, io);
  if (state === undefined) {
    io.output.data({ isLocked: false }, () => 'the mesh is not locked');
    return;
  }
  const hosts = await readHosts(call, state, Date.now());
  const keys = [...state.keys.values()];
  const items = hosts.map(({ host, open }) => ({ id: host.id, name: host.name, state: host.state, open }));
  const { root, height, head } = state;
  io.output.data({ isLocked: true, root, height, head, keys, hosts: items }, () => {
    const plain = { isColored: false, width: undefined };
    const rows = keys.map(({ key, label, addedAt }) => [label, key, new Date(addedAt).toISOString()]);
    const standing = items.map(({ name, id, state: now, open }) => [name, id, now, open.join('; ') || 'signed']);
    return [
      formatTable(fieldTable({ root, entries: height, head }), plain),
      formatTable({ columns: ['key', 'public half', 'since'], rows }, plain),
      formatTable({ columns: ['host', 'id', 'state', 'lock'], rows: standing }, plain),
    ]
      .join('\n')
      .trimEnd();
  });
}

async function log(options: LockOptions, io: Io): Promise<void> {
  const { state, entries } = await openLock(options, io);
  if (state === undefined) throw new WarrenError('not-found', 'the mesh is not locked');
  const labels = new Map<string, string>();
  const rows = bodiesOf(entries).map((body) => {
    if ('label' in body) labels.set(body.key, body.label);
    return [body.n, new Date(body.at).toISOString(), labels.get(body.by) ?? body.by, body.kind, subjectOf(body)];
  });
  io.output.data({ root: state.root, entries }, () => ({ columns: ['#', 'at', 'by', 'what', 'of'], rows }));
}

function subjectOf(body: EntryBody): string {
  switch (body.kind) {
    case 'host':
      return `${body.host.name} ${body.host.id} ${body.host.publicKey}`;
    case 'host-removed':
      return body.id;
    case 'init':
    case 'add-key':
      return `${body.label} ${body.key}`;
    case 'remove-key':
      return body.key;
  }
}

/** `warren lock key|init|add-key|remove-key` */
import type { Command } from 'commander';
import { randomBytes } from 'node:crypto';
import { resetLock } from '../../shared/api/lock.ts';
import { WarrenError } from '../../shared/errors.ts';
import { keyLabelSchema, lockKeySchema } from '../../shared/lock/entry.ts';
import type { LockState } from '../../shared/lock/log.ts';
import { connect, readConnection } from '../admin/connect.ts';
import { confirm } from '../admin/confirm.ts';
import type { Io } from '../command.ts';
import { fieldTable } from '../output.ts';
import { readOrMakeSigner, readSigner } from './key.ts';
import { parsed, withLockOptions } from './options.ts';
import { forgetSeen, placesOf } from './places.ts';
import { type LockOptions, openLock } from './session.ts';

export function registerKeys(lock: Command, io: Io): void {
  lock
    .command('key')
    .description('show the public half of this machine’s key of the lock; make the key if there is none')
    .option('--lock-key <file>', 'where the key is (WARREN_LOCK_KEY); ~/.config/warren/lock.key by default')
    .action(async ({ lockKey }: { lockKey?: string }) => {
      const places = placesOf(io.env, lockKey);
      const { publicKey, isNew } = await readOrMakeSigner(places);
      io.output.data({ key: publicKey, file: places.keyFile, isNew }, () => publicKey);
      if (isNew) io.output.note(`made ${places.keyFile}; keep a copy where no server reaches it`);
    });
  withLockOptions(lock.command('init').description('lock the mesh: from now on a key of the lock signs who is in it'))
    .option('--label <label>', 'what people call this key', 'first key')
    .option('--replace', 'give up the lock that is there; every host must be told with `warren lock pin --replace`')
    .option('-y, --yes', 'do not ask')
    .action((options: InitOptions) => init(options, io));
  withLockOptions(lock.command('add-key').description('admit another admin’s key').argument('<key>'))
    .requiredOption('--label <label>', 'what people call it')
    .action(async (key: string, options: LockOptions & { label: string }) => {
      const claim = { kind: 'add-key', key: parsed('KEY', lockKeySchema, key), label: labelOf(options) } as const;
      const session = await openLock(options, io);
      show(io, await session.append(await readSigner(session.places), [claim]));
    });
  withLockOptions(
    lock.command('remove-key').description('a key of the lock signs no more; give it or its label').argument('<key>'),
  ).action(async (text: string, options: LockOptions) => {
    const session = await openLock(options, io);
    const key = keyOf(session.state, text);
    const after = await session.append(await readSigner(session.places), [{ kind: 'remove-key', key }]);
    show(io, after);
    io.output.note('what it signed stays; see `warren lock log` and revoke or sign anew what it should not have');
  });
}

type InitOptions = LockOptions & { label: string; replace?: boolean; yes?: boolean };

async function init(options: InitOptions, io: Io): Promise<void> {
  const label = labelOf(options);
  const before = options.replace === true ? await giveUp(options, io) : await openLock(options, io);
  if (before.state !== undefined) {
    throw new WarrenError(
      'conflict',
      `the mesh is locked already, root ${before.state.root}; see 'warren lock status'`,
    );
  }
  const signer = await readOrMakeSigner(before.places);
  const salt = randomBytes(32).toString('hex');
  const after = await before.append(signer, [{ kind: 'init', key: signer.publicKey, label, salt }]);
  if (signer.isNew) io.output.note(`made ${before.places.keyFile}; keep a copy where no server reaches it`);
  show(io, after);
  io.output.note('now: warren lock sign --all');
  io.output.note(`then on each host that is in the mesh already: warren lock pin ${after.root}`);
}

async function giveUp(options: InitOptions, io: Io) {
  await confirm('Give up the lock that is there? Hosts raise an alarm until each is told.', options.yes, io);
  const places = placesOf(io.env, options.lockKey);
  const { serverUrl } = await readConnection(options, io.env);
  const call = await connect(options, io);
  await call(resetLock);
  await forgetSeen(places, serverUrl);
  return openLock(options, io);
}

const labelOf = ({ label }: { label: string }): string => parsed('--label', keyLabelSchema, label);

function keyOf(state: LockState | undefined, text: string): string {
  const found = [...(state?.keys.values() ?? [])].filter(({ key, label }) => key === text || label === text);
  const [one] = found;
  if (one !== undefined && found.length === 1) return one.key;
  throw new WarrenError(
    'not-found',
    `${found.length === 0 ? 'no key' : 'more than one key'} of the lock is '${text}'; see 'warren lock status'`,
  );
}

function show(io: Io, { root, height, head, keys }: LockState): void {
  const list = [...keys.values()];
  io.output.data({ root, height, head, keys: list }, () =>
    fieldTable({ root, entries: height, keys: list.map(({ key, label }) => `${key} (${label})`).join(', ') }),
  );
}

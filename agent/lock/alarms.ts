/** What is wrong with the log that the server tells of, held against the one here. Pure. */
import type { LockHead } from '../../shared/lock/log.ts';
import type { Fault } from '../failures.ts';

export interface LockView {
  /** Pinned here. */
  readonly root: string | undefined;
  /** The log as it was checked here. */
  readonly own: LockHead | undefined;
  /** What the newest map says; undefined before one came. */
  readonly told: { readonly told: LockHead | undefined } | undefined;
}

export function alarmsOf({ root, own, told: seen }: LockView): Fault[] {
  if (seen === undefined) return [];
  const { told } = seen;
  if (root === undefined) return told === undefined ? [] : [alarm('lock-unpinned', whyUnpinned(told.root))];
  if (told === undefined) {
    return [
      alarm('lock-rolled-back', `the server says that this mesh is not locked, which it was (root ${root}); ${stays}`),
    ];
  }
  if (told.root !== root) {
    return [alarm('lock-forked', `the server has a lock with the root ${told.root}, ${root} is pinned here; ${stays}`)];
  }
  if (own === undefined) return [];
  if (told.height < own.height) {
    const why = `the server's log has ${told.height} entries, ${own.height} were seen here; ${stays}`;
    return [alarm('lock-rolled-back', why)];
  }
  if (told.height === own.height && told.head !== own.head) {
    return [alarm('lock-forked', `entry ${told.height - 1} is another at the server than the one seen here; ${stays}`)];
  }
  return [];
}

const stays = "this host goes on by the log it has; see 'When the log and the hosts disagree' in docs/lock.md";

const whyUnpinned = (root: string): string =>
  `the server says that this mesh is locked and this host has pinned no root, so it believes the server; compare ${root} with what 'warren lock status' shows where the lock's key is, then: warren lock pin ${root}`;

const alarm = (kind: string, why: string): Fault => ({ kind, subject: 'lock', why });

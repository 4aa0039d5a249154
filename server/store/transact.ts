/**
 * The one way to change anything: one transaction holds the rows, the revision and the audit entries; whoever listens is
 * told after the commit. Transactions run one at a time in the order they were asked for. Never touch network or kernel
 * inside of one, and never ask for a second one from inside: it would wait for itself.
 */
import type { Kysely, Transaction } from 'kysely';
import { crashPoint } from '../../shared/crash-points.ts';
import type { HostId } from '../../shared/names.ts';
import { type AuditDraft, insertAudit } from './audit.ts';
import { markTouched, recordRemoved } from './changes.ts';
import { advanceRevision } from './meta.ts';
import type { Random } from './ids.ts';
import type { Schema } from './schema.ts';

export interface Tx {
  readonly db: Transaction<Schema>;
  /** Milliseconds since 1970, the same for the whole transaction. */
  readonly now: number;
  readonly actor: string;
  random(bytes: number): Buffer;
  /** What other hosts know of this host changed, or may have. */
  touchHost(id: HostId): void;
  /** The host left the network map, whether its row stays or not. */
  forgetHost(id: HostId): void;
  /** Settings or pools changed. */
  touchMesh(): void;
  /** A change that counts as a revision though other hosts need not know of it. */
  bump(): void;
  /** Every mutation writes at least one entry; it counts as a revision. */
  audit(action: string, subject: string | null, detail: Record<string, unknown>): void;
}

export interface CommittedAudit {
  readonly id: number;
  readonly at: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string | null;
}

export interface Commit {
  readonly epoch: string;
  readonly revision: number;
  readonly touched: readonly HostId[];
  readonly removed: readonly HostId[];
  readonly isMeshChanged: boolean;
  readonly audits: readonly CommittedAudit[];
}

/** What a transaction did besides its rows. */
interface Effects {
  readonly touched: Set<HostId>;
  readonly removed: Set<HostId>;
  readonly audits: AuditDraft[];
  isMeshChanged: boolean;
  isBumped: boolean;
}

export interface TransactOptions {
  readonly writer: Kysely<Schema>;
  readonly clock: { now(): number };
  readonly random: Random;
}

/** Runs `fn` in a transaction; `commit` is undefined when nothing counted as a revision. */
export async function transactOnce<T>(
  options: TransactOptions,
  actor: string,
  fn: (tx: Tx) => Promise<T>,
): Promise<{ result: T; commit: Commit | undefined }> {
  return options.writer.transaction().execute(async (db) => {
    const effects = noEffects();
    const tx = createTx(db, options, actor, effects);
    const result = await fn(tx);
    const commit = await settle(tx, effects);
    if (commit !== undefined) crashPoint('store.before-commit');
    return { result, commit };
  });
}

const noEffects = (): Effects => ({
  touched: new Set(),
  removed: new Set(),
  audits: [],
  isMeshChanged: false,
  isBumped: false,
});

function createTx(db: Transaction<Schema>, options: TransactOptions, actor: string, effects: Effects): Tx {
  return {
    db,
    now: options.clock.now(),
    actor,
    random: options.random,
    touchHost(id) {
      effects.removed.delete(id);
      effects.touched.add(id);
    },
    forgetHost(id) {
      effects.touched.delete(id);
      effects.removed.add(id);
    },
    touchMesh() {
      effects.isMeshChanged = true;
    },
    bump() {
      effects.isBumped = true;
    },
    audit(action, subject, detail) {
      effects.audits.push({ action, subject, detail });
    },
  };
}

async function settle(tx: Tx, effects: Effects): Promise<Commit | undefined> {
  const { touched, removed, audits, isMeshChanged, isBumped } = effects;
  if (touched.size + removed.size + audits.length === 0 && !isMeshChanged && !isBumped) return undefined;
  const { epoch, revision } = await advanceRevision(tx, isMeshChanged);
  await markTouched(tx, [...touched], revision);
  await recordRemoved(tx, [...removed], revision);
  const written = await insertAudit(tx, audits, revision);
  return { epoch, revision, touched: [...touched], removed: [...removed], isMeshChanged, audits: written };
}

/** Audit entries: written by `transact`, read here. */
import { WarrenError } from '../../shared/errors.ts';
import type { Page, PageRequest } from './page.ts';
import type { Db } from './schema.ts';
import type { CommittedAudit, Tx } from './transact.ts';

export interface AuditDraft {
  readonly action: string;
  readonly subject: string | null;
  readonly detail: Record<string, unknown>;
}

export interface StoredAudit extends CommittedAudit {
  readonly detail: Record<string, unknown>;
  readonly revision: number;
}

/** Newest first; with `after`, the entries later than that id, oldest first. */
export async function listAudit(
  db: Db,
  { limit, cursor, after }: PageRequest & { after?: number | undefined },
): Promise<Page<StoredAudit>> {
  const isForward = after !== undefined;
  const from = cursor === undefined ? after : readCursor(cursor);
  const rows = await db
    .selectFrom('audit')
    .selectAll()
    .$if(from !== undefined, (query) => query.where('id', isForward ? '>' : '<', from ?? 0))
    .orderBy('id', isForward ? 'asc' : 'desc')
    .limit(limit + 1)
    .execute();
  const items = rows.slice(0, limit).map((row) => ({
    ...row,
    detail: JSON.parse(row.detail) as Record<string, unknown>,
  }));
  return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.id) : null };
}

export async function insertAudit(tx: Tx, drafts: readonly AuditDraft[], revision: number): Promise<CommittedAudit[]> {
  const { now: at, actor } = tx;
  const written: CommittedAudit[] = [];
  for (const { action, subject, detail } of drafts) {
    const { id } = await tx.db
      .insertInto('audit')
      .values({ at, actor, action, subject, detail: JSON.stringify(detail), revision })
      .returning('id')
      .executeTakeFirstOrThrow();
    written.push({ id, at, actor, action, subject });
  }
  return written;
}

function readCursor(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw new WarrenError('request-invalid', 'cursor is not one that a page of this list gave; leave it out to start', {
    field: 'cursor',
  });
}

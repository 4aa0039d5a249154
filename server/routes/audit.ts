/** The audit log over HTTP. */
import { type AuditEntry, listAudit as listOp } from '../../shared/api/audit.ts';
import { type Route, read } from '../http/handler.ts';
import { type StoredAudit, listAudit } from '../store/audit.ts';
import { formatTime } from '../time.ts';

const list = read(listOp, async ({ deps: { store }, query: { limit, cursor, after } }) => {
  const page = await listAudit(store.db, { limit, cursor, after: after === undefined ? undefined : Number(after) });
  return { items: page.items.map(presentEntry), nextCursor: page.nextCursor };
});

function presentEntry({ id, at, actor, action, subject, detail, revision }: StoredAudit): AuditEntry {
  return { id: String(id), at: formatTime(at), actor, action, subject, detail, revision };
}

export const auditRoutes: Route[] = [list];

/** What several nouns share: whole lists, and hosts named by name. */
import { type Call, everyItem } from '../../shared/api/client.ts';
import { type Host, listHosts, showHost } from '../../shared/api/hosts.ts';
import { WarrenError } from '../../shared/errors.ts';
import { parseHostId, parseHostName } from '../../shared/names.ts';

/** A whole list in the shape the API answers one in. */
export async function wholeList<Item>(
  page: (query: { cursor?: string; limit: number }) => Promise<{ items: Item[]; nextCursor: string | null }>,
): Promise<{ items: Item[]; nextCursor: null }> {
  const items: Item[] = [];
  for await (const item of everyItem<Item>(({ cursor }) => page({ ...(cursor && { cursor }), limit: 1000 }))) {
    items.push(item);
  }
  return { items, nextCursor: null };
}

/** A host by its id or its name; an id wins, should a name look like one. */
export async function findHost(call: Call, text: string): Promise<Host> {
  const byId = /^h[a-z2-7]{16}$/.test(text) ? await showIfThere(call, text) : undefined;
  if (byId !== undefined) return byId;
  const { items } = await call(listHosts, { query: { name: parseHostName(text), limit: 1 } });
  const host = items[0];
  if (host === undefined) throw new WarrenError('not-found', `no host is called '${text}'; see 'warren host ls'`);
  return host;
}

async function showIfThere(call: Call, id: string): Promise<Host | undefined> {
  try {
    return await call(showHost, { params: { id: parseHostId(id) } });
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/**
 * nftables of others that can stand in the mesh's way: tables with a base chain that drops what no rule of it accepts,
 * and Docker's own. What iptables writes is read by iptables itself, and firewalld asked.
 */
import { z } from 'zod';
import type { ForeignTable } from '../plan/observed.ts';
import type { System } from './run.ts';

const listingSchema = z.object({ nftables: z.array(z.record(z.string(), z.unknown())) });

const chainSchema = z.object({
  family: z.enum(['inet', 'ip', 'ip6']),
  table: z.string(),
  name: z.string(),
  hook: z.string().default(''),
  policy: z.string().default(''),
});
type Chain = z.infer<typeof chainSchema>;

export const dockerTable = 'docker-bridges';

/** `own`: the name of the agent's own table. */
export async function showForeign(system: System, own: string): Promise<readonly ForeignTable[]> {
  const { stdout, exitCode } = await system.run({ argv: ['nft', '-j', 'list', 'chains'], okCodes: [0, 1] });
  const found = exitCode === 0 ? parseChains(stdout, own) : [];
  return Promise.all(
    found.map(async (table) => {
      const argv = ['nft', 'list', 'table', table.family, table.name] as const;
      // One that is gone meanwhile drops nothing.
      const listed = await system.run({ argv, okCodes: [0, 1] });
      return { ...table, text: listed.exitCode === 0 ? listed.stdout : '' };
    }),
  );
}

export function parseChains(json: string, own: string): Omit<ForeignTable, 'text'>[] {
  const parsed = listingSchema.safeParse(JSON.parse(json));
  const chains = (parsed.data?.nftables ?? []).flatMap((item) => chainSchema.safeParse(item['chain']).data ?? []);
  const tables = new Map<
    string,
    Omit<ForeignTable, 'text'> & { drops: { chain: string; hook: 'input' | 'forward' }[] }
  >();
  for (const chain of chains) {
    const { family, table: name, hook } = chain;
    const isDrop = (hook === 'input' || hook === 'forward') && chain.policy === 'drop' && !isKnown(chain, own);
    if (!isDrop && name !== dockerTable) continue;
    const table = tables.get(`${family} ${name}`) ?? { family, name, drops: [] };
    tables.set(`${family} ${name}`, table);
    if (isDrop) table.drops.push({ chain: chain.name, hook });
  }
  return [...tables.values()];
}

/** Ours, or somebody's that is met in another way. */
const isKnown = ({ family, table, name }: Chain, own: string): boolean =>
  table === own ||
  table === `${own}-relay` ||
  table === 'firewalld' ||
  table === dockerTable ||
  (family !== 'inet' && table === 'filter' && ['INPUT', 'FORWARD'].includes(name));

/**
 * iptables, where it is installed: what stands in the chains that matter, and changes as one transaction a table
 * (`iptables-restore --noflush`). Only lines that this agent marked are ever given back to it for deletion.
 */
import type { Family } from '../../shared/net/address.ts';
import { WarrenError } from '../../shared/errors.ts';
import type { ObservedIptables, ObservedIptablesFamily, ObservedRule } from '../plan/observed.ts';
import type { System } from './run.ts';

const program = (family: Family): string => (family === 4 ? 'iptables' : 'ip6tables');

export async function showIptables(system: System): Promise<ObservedIptables> {
  const [v4, v6] = await Promise.all([show(system, 4), show(system, 6)]);
  return { 4: v4, 6: v6 };
}

/** Undefined where the program is missing, or this kernel has no such family. */
async function show(system: System, family: Family): Promise<ObservedIptables[4]> {
  try {
    const { stdout, exitCode } = await system.run({ argv: [`${program(family)}-save`], okCodes: [0, 1, 2, 3, 4] });
    return exitCode === 0 ? parseSaved(stdout) : undefined;
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'program-missing') return undefined;
    throw error;
  }
}

export async function restoreIptables(system: System, family: Family, input: string): Promise<void> {
  await system.run({ argv: [`${program(family)}-restore`, '--noflush', '--wait', '5'], input, timeoutMs: 20_000 });
}

/** `iptables-save` as iptables-extensions(8) and iptables-restore(8) describe it. */
export function parseSaved(text: string): NonNullable<ObservedIptables[4]> {
  let table = '';
  let forwardPolicy = 'ACCEPT';
  let inputPolicy = 'ACCEPT';
  let hasDockerUser = false;
  let hasDocker = false;
  const chains = new Map<string, ObservedRule[]>();
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1);
    const [, chain = '', policy = ''] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (table === 'filter' && chain === 'FORWARD') forwardPolicy = policy;
    if (table === 'filter' && chain === 'INPUT') inputPolicy = policy;
    if (table === 'filter' && chain === 'DOCKER-USER') hasDockerUser = true;
    if (table === 'filter' && chain === 'DOCKER') hasDocker = true;
    const [, name = '', specification = ''] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
    if (name === '') continue;
    const [, mark, digest] = /--comment "?(warren:[a-z0-9]+):([0-9a-f]{16})"?(?: |$)/.exec(specification) ?? [];
    const key = `${table} ${name}`;
    const rules = chains.get(key);
    if (rules === undefined) chains.set(key, [{ specification, mark, digest }]);
    else rules.push({ specification, mark, digest });
  }
  return { forwardPolicy, inputPolicy, hasDockerUser, hasDocker, chains };
}

/**
 * Every rule with the mark, and the chain for Docker where it does nothing any more: it is empty, nobody asks it, and
 * Docker has none of its own. Does nothing where there is none.
 */
export async function removeIptables(system: System, mark: string): Promise<void> {
  for (const family of [4, 6] as const) {
    const seen = await show(system, family);
    if (seen === undefined) continue;
    const byTable = new Map<string, string[]>();
    for (const [key, rules] of seen.chains) {
      const [table = '', chain = ''] = key.split(' ');
      const lines = rules.filter((rule) => rule.mark === mark).map((rule) => `-D ${chain} ${rule.specification}`);
      if (lines.length > 0) byTable.set(table, [...(byTable.get(table) ?? []), ...lines]);
    }
    if (isForsaken(seen, mark)) byTable.set('filter', [...(byTable.get('filter') ?? []), '-X DOCKER-USER']);
    const input = [...byTable].map(([table, lines]) => `*${table}\n${lines.join('\n')}\nCOMMIT\n`).join('');
    if (input !== '') await restoreIptables(system, family, input);
  }
}

function isForsaken({ hasDockerUser, hasDocker, chains }: ObservedIptablesFamily, mark: string): boolean {
  if (!hasDockerUser || hasDocker) return false;
  const isOthers = (key: string, rules: readonly ObservedRule[]): boolean =>
    rules.some((rule) => (key === 'filter DOCKER-USER' ? rule.mark !== mark : asksDockerUser.test(rule.specification)));
  return ![...chains].some(([key, rules]) => key.startsWith('filter ') && isOthers(key, rules));
}

const asksDockerUser = /-[jg] DOCKER-USER(?: |$)/;

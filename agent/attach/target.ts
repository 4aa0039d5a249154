/**
 * What can be attached, as people write it, and whether it is there. A namespace is looked at, never entered, here.
 */
import { readFile, stat, statfs } from 'node:fs/promises';
import { WarrenError } from '../../shared/errors.ts';
import { printable } from '../../shared/net/address.ts';
import { isMissing } from '../durable.ts';

export type Target =
  | { kind: 'netns'; text: string; netnsPath: string }
  | { kind: 'pid'; text: string; netnsPath: string; pid: number }
  /** Name or id; where it is only the engine knows. */
  | { kind: 'docker'; text: string; container: string };

/** A target whose namespace is known by its name alone. */
export type FixedTarget = Exclude<Target, { kind: 'docker' }>;

/** As `parseTarget`, and refuses the engine's containers. */
export function parseFixedTarget(text: string): FixedTarget {
  const target = parseTarget(text);
  if (target.kind !== 'docker') return target;
  throw new WarrenError('usage-invalid', `${text} is a container of the engine; name its process, pid:N`, {
    field: 'target',
  });
}

/** Throws `usage-invalid` unless `text` is `netns:NAME`, `netns:/PATH`, `pid:N`, `docker:NAME` or `docker:ID`. */
export function parseTarget(text: string): Target {
  const [, kind, rest = ''] = /^(netns|pid|docker):(.*)$/s.exec(text) ?? [];
  if (kind === 'pid' && /^[1-9]\d{0,9}$/.test(rest)) {
    return { kind: 'pid', text, netnsPath: `/proc/${rest}/ns/net`, pid: Number(rest) };
  }
  if (kind === 'netns' && /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(rest)) {
    return { kind: 'netns', text, netnsPath: `/run/netns/${rest}` };
  }
  if (kind === 'netns' && isPlainPath(rest)) return { kind: 'netns', text, netnsPath: rest };
  if (kind === 'docker' && /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(rest)) {
    return { kind: 'docker', text, container: rest };
  }
  throw new WarrenError(
    'usage-invalid',
    `'${printable(text)}' is no target; write netns:NAME, netns:/run/netns/NAME, pid:1234 or docker:NAME`,
    { field: 'target' },
  );
}

/** Absolute, printable, no `..`, short enough for a report. */
function isPlainPath(path: string): boolean {
  return /^(?:\/[A-Za-z0-9_.@:+-]{1,128})+$/.test(path) && path.length <= 256 && !path.split('/').includes('..');
}

export type Presence =
  /** `namespace` tells namespaces apart; `startedAt` tells a process from a later one with the same number. */
  | { kind: 'present'; namespace: string; startedAt: string | undefined; netnsPath: string; containerId?: string }
  | { kind: 'missing' }
  /** Never to come back. */
  | { kind: 'removed' };

/** How attachments look at the machine; tests put their own in. */
export interface NamespaceProbe {
  look(target: Target): Promise<Presence>;
  /** The namespace the agent itself lives in. */
  own(): Promise<string>;
}

/** `NSFS_MAGIC` of linux/magic.h. */
const namespaceFileSystem = 0x6e736673;

export const namespaceProbe: NamespaceProbe = {
  async look(target) {
    if (target.kind === 'docker') return { kind: 'missing' };
    try {
      const startedAt = target.kind === 'pid' ? await processStart(target.pid) : undefined;
      const { type } = await statfs(target.netnsPath);
      if (type !== namespaceFileSystem) return { kind: 'missing' };
      const { netnsPath } = target;
      return { kind: 'present', namespace: await identityOf(netnsPath), startedAt, netnsPath };
    } catch (error) {
      if (isMissing(error) || isVanishing(error)) return { kind: 'missing' };
      throw error;
    }
  },
  own: () => identityOf('/proc/self/ns/net'),
};

async function identityOf(path: string): Promise<string> {
  const { dev, ino } = await stat(path);
  return `${dev}:${ino}`;
}

/** Field 22 of /proc/PID/stat (proc(5)), in clock ticks since boot; the name before it may hold anything. */
async function processStart(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  // A zombie has lost its namespaces already.
  if (fields[0] === 'Z' || fields[0] === 'X')
    throw Object.assign(new Error('the process has ended'), { code: 'ESRCH' });
  return fields[19] ?? '';
}

function isVanishing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ESRCH';
}

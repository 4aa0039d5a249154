/** What every section is given: a run of the laboratory, which removes its namespaces, processes and files however it ends. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Run } from '../support/lab-cleanup.ts';
import { interfacePrefix, namespacePrefix } from '../support/lab-cleanup.ts';
import { root } from '../support/lab-config.ts';
import { inside } from '../support/namespace.ts';
import { type Running, startProcess } from '../support/process.ts';

export interface BenchContext {
  readonly isQuick: boolean;
  readonly run: Run;
  /** Progress, on stderr. */
  readonly tell: (text: string) => void;
}

export const namespaceOf = ({ run }: BenchContext, name: string): string => namespacePrefix(run.id) + name;

/** Unique on the machine, because userspace WireGuard keeps a socket per interface name in one folder for all namespaces. */
export const interfaceOf = ({ run }: BenchContext, name: string): string => interfacePrefix(run.id) + name;

/**
 * Starts a daemon in a namespace of the run, which ends it at the latest. In a session of its own, as a service manager
 * does: the kernel's scheduler shares the CPU by sessions first (sched(7), autogroup), so daemons that shared the bench's
 * session with the traffic would not compare to those that do not.
 */
export function startInside(
  { run }: BenchContext,
  namespace: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Running {
  const logFile = join(run.dir, `${namespace}-${(argv[0] ?? '').replace(/.*\//, '')}.log`);
  return startProcess(inside(namespace, ['setsid', ...argv]), { logFile, env });
}

/** What is measured is what is shipped: the build, never the sources. */
export function builtProgram(): string[] {
  return [process.execPath, builtFile('cli/warren.js')];
}

export function builtFile(path: string): string {
  const file = join(root, 'dist', path);
  if (!existsSync(file)) throw new Error(`${file} is missing; run npm run build`);
  return file;
}

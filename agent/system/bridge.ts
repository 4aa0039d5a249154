/** iproute2's `bridge`: the forwarding entries of VXLAN devices. */
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { isAddress } from '../../shared/net/address.ts';
import type { ObservedFdbEntry } from '../plan/observed.ts';
import { type BatchResult, parseBatchErrors, parseJson } from './ip.ts';
import type { System } from './run.ts';

const entrySchema = z.object({ mac: z.string(), dst: z.string().optional() });

/** Empty where the device is gone meanwhile. */
export async function showEntries(system: System, name: string): Promise<ObservedFdbEntry[]> {
  const { stdout, exitCode, stderr } = await system.run({
    argv: ['bridge', '-j', 'fdb', 'show', 'dev', name],
    okCodes: [0, 1, 255],
  });
  if (exitCode === 0) return parseEntries(stdout);
  if (/Cannot find device/.test(stderr)) return [];
  throw new WarrenError('command-failed', `'bridge -j fdb show dev ${name}' failed: ${stderr.trim()}`);
}

/** Entries of the bridge for the same device have no `dst`. */
export function parseEntries(json: string): ObservedFdbEntry[] {
  return parseJson(z.array(entrySchema), json.trim() === '' ? '[]' : json, 'bridge fdb').flatMap(({ mac, dst }) =>
    dst !== undefined && isAddress(dst) ? [{ mac, address: dst }] : [],
  );
}

export async function runBridgeBatch(system: System, lines: readonly string[]): Promise<BatchResult> {
  const argv = ['bridge', '-force', '-batch', '-'] as const;
  const input = `${lines.join('\n')}\n`;
  const { stderr, exitCode } = await system.run({ argv, input, okCodes: [0, 1, 2], timeoutMs: 60_000 });
  const failures = parseBatchErrors(stderr);
  if (exitCode !== 0 && failures.size === 0) {
    throw new WarrenError('command-failed', `'${argv.join(' ')}' failed: ${stderr.trim()}`);
  }
  return { failures };
}

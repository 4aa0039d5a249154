/** iproute2's `bridge`: the forwarding entries of VXLAN devices, the VLANs of ports. */
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import { isAddress } from '../../shared/net/address.ts';
import type { ObservedFdbEntry, ObservedPortVlan } from '../plan/observed.ts';
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

const portSchema = z.object({
  ifname: z.string(),
  vlans: z.array(
    z.object({ vlan: z.number(), vlanEnd: z.number().optional(), flags: z.array(z.string()).default([]) }),
  ),
});

/** By name of the port. */
export async function showPortVlans(system: System): Promise<ReadonlyMap<string, readonly ObservedPortVlan[]>> {
  const { stdout } = await system.run({ argv: ['bridge', '-j', 'vlan', 'show'] });
  return parsePortVlans(stdout);
}

export function parsePortVlans(json: string): ReadonlyMap<string, readonly ObservedPortVlan[]> {
  const ports = parseJson(z.array(portSchema), json.trim() === '' ? '[]' : json, 'bridge vlan');
  return new Map(
    ports.map(({ ifname, vlans }) => [
      ifname,
      vlans.flatMap(({ vlan, vlanEnd = vlan, flags }) =>
        Array.from({ length: vlanEnd - vlan + 1 }, (_, i) => ({
          vlan: vlan + i,
          isUntagged: flags.includes('PVID') && flags.includes('Egress Untagged'),
        })),
      ),
    ]),
  );
}

const stateSchema = z.array(
  z.object({ linkinfo: z.object({ info_slave_data: z.object({ state: z.string() }).optional() }).optional() }),
);

/** True where the bridge passes on what comes from the port. */
export async function isForwarding(system: System, port: string): Promise<boolean> {
  const { stdout, exitCode } = await system.run({
    argv: ['ip', '-j', '-d', 'link', 'show', 'dev', port],
    okCodes: [0, 1],
  });
  if (exitCode !== 0) return false;
  return parseJson(stateSchema, stdout, 'ip link')[0]?.linkinfo?.info_slave_data?.state === 'forwarding';
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

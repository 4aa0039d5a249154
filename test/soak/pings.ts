/** Who reaches whom over the mesh: every host pings every other one, host to host, in one go each. */
import type { LabHost } from '../support/lab-host.ts';

/** Answers the pairs, in one direction each, that got no answer to any of a few tries. */
export async function unreachablePairs(hosts: readonly LabHost[]): Promise<string[]> {
  const addresses = new Map<string, LabHost>();
  for (const host of hosts) {
    const [address] = (await host.status())['addresses'] as string[];
    if (address !== undefined) addresses.set(address, host);
  }
  const missing: string[] = [];
  for (const from of hosts) {
    const argv = ['fping', '-u', '-r', '2', '-t', '700', '-i', '2', ...addresses.keys()];
    const { stdout } = await from.run(argv, { okCodes: 'any' });
    for (const address of stdout.split('\n').filter((line) => line !== '')) {
      missing.push(`${from.name} -> ${addresses.get(address)?.name ?? address}`);
    }
  }
  return missing;
}

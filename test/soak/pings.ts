/** Who reaches whom over the mesh: every host pings every other one, host to host, in one go each. */
import { createAgentCall } from '../../agent/local/client.ts';
import type { Status } from '../../agent/local/api.ts';
import type { LabHost } from '../support/lab-host.ts';

/** Asked over the agent's socket: a process a question is dear among fifty hosts. */
export const statusOf = (host: LabHost): Promise<Status> => createAgentCall(host.runDir)('status', {});

export interface MissingPair {
  readonly from: LabHost;
  readonly to: LabHost;
}

export const nameOf = ({ from, to }: MissingPair): string => `${from.name} -> ${to.name}`;

/** Hosts that ping at a time. */
const atOnce = 4;

/** Each host's overlay address, which stays the same. */
export async function overlayAddresses(hosts: readonly LabHost[]): Promise<ReadonlyMap<string, LabHost>> {
  const addresses = new Map<string, LabHost>();
  for (const host of hosts) {
    const [address] = (await statusOf(host)).addresses;
    if (address === undefined) throw new Error(`${host.name} has no overlay address yet`);
    addresses.set(address, host);
  }
  return addresses;
}

/** Answers the pairs, in one direction each, that got no answer to any of a few tries. */
export async function unreachablePairs(addresses: ReadonlyMap<string, LabHost>): Promise<MissingPair[]> {
  const missing: MissingPair[] = [];
  const waiting = [...addresses.values()];
  const work = async (): Promise<void> => {
    for (let from = waiting.shift(); from !== undefined; from = waiting.shift()) {
      const argv = ['fping', '-u', '-r', '2', '-t', '900', '-i', '2', ...addresses.keys()];
      const { stdout, stderr, exitCode } = await from.run(argv, { okCodes: 'any', timeoutSeconds: 120 });
      // 0: all answered; 1: some did not; 2 and more: it could not ask.
      if (exitCode > 1 || exitCode < 0) throw new Error(`fping on ${from.name}: ${exitCode} ${stderr}`);
      for (const address of stdout.split('\n').filter((line) => line !== '')) {
        const to = addresses.get(address.trim());
        if (to === undefined) throw new Error(`fping on ${from.name} says: ${address}`);
        missing.push({ from, to });
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return missing;
}

/** What the first host knows of the way to the second. */
export async function explain({ from, to }: MissingPair): Promise<string> {
  try {
    const peer = (await statusOf(from)).peers.find(({ name }) => name === to.name);
    if (peer === undefined) return `${from.name} has no peer ${to.name}`;
    const { path, via, endpoint, handshakeAgeSeconds, isGone, whyNotDirect } = peer;
    return `${nameOf({ from, to })}: ${JSON.stringify({ path, via, endpoint, handshakeAgeSeconds, isGone, whyNotDirect })}`;
  } catch (error) {
    return `${nameOf({ from, to })}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

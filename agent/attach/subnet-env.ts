/**
 * flannel's hand-off file, byte for byte in its format (flannel `pkg/subnet`, `WriteSubnetFile`), so that what consumed
 * flannel (Docker's `--bip`, the flannel CNI plugin) keeps working.
 */
import { dirname } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { asWarrenError } from '../../shared/errors.ts';
import type { HostRecord, MeshSettings } from '../../shared/network-map.ts';
import { type Cidr, addressAt, cidrFamily, cidrRange } from '../../shared/net/cidr.ts';
import { writeDurably } from '../durable.ts';
import type { Fault } from '../failures.ts';

export interface SubnetEnv {
  /** Writes the file if it is not what it should be; the last call counts. */
  write(self: HostRecord, mesh: MeshSettings, mtu: number): void;
  faults(): readonly Fault[];
  idle(): Promise<void>;
}

export function createSubnetEnv(path: string): SubnetEnv {
  let written: string | undefined;
  let fault: Fault | undefined;
  let turn: Promise<void> = Promise.resolve();
  const put = async (text: string): Promise<void> => {
    if (text === written) return;
    try {
      await mkdir(dirname(path), { recursive: true });
      await writeDurably(path, text, 0o644);
      written = text;
      fault = undefined;
    } catch (error) {
      fault = { kind: 'subnet-env', subject: path, why: `cannot be written: ${asWarrenError(error).message}` };
    }
  };
  return {
    write: (self, mesh, mtu) => {
      const text = formatSubnetEnv(self, mesh, mtu);
      if (text !== undefined && text !== written) turn = turn.then(() => put(text));
    },
    faults: () => (fault === undefined ? [] : [fault]),
    idle: () => turn,
  };
}

/** Undefined for a host without a lease. `mtu` is that of the containers, bytes. */
export function formatSubnetEnv(self: HostRecord, mesh: MeshSettings, mtu: number): string | undefined {
  if (self.leases.length === 0) return undefined;
  const lines: string[] = [];
  for (const [family, prefix] of [
    [4, 'FLANNEL_'],
    [6, 'FLANNEL_IPV6_'],
  ] as const) {
    const lease = self.leases.find((cidr) => cidrFamily(cidr) === family);
    if (lease === undefined) continue;
    const pools = mesh.containerPools.filter((cidr) => cidrFamily(cidr) === family);
    lines.push(`${prefix}NETWORK=${pools.join(',')}`, `${prefix}SUBNET=${gatewayWithLength(lease)}`);
  }
  // True: Warren masquerades what leaves the mesh, so Docker is told not to.
  lines.push(`FLANNEL_MTU=${mtu}`, 'FLANNEL_IPMASQ=true');
  return lines.map((line) => `${line}\n`).join('');
}

/** flannel gives the first usable address with the lease's length, not the network address. */
function gatewayWithLength(lease: Cidr): string {
  return `${addressAt(lease, 1n)}/${cidrRange(lease).length}`;
}

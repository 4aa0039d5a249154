/** Where a listener is, `ip:port` or `[ip6]:port`; unlike an endpoint it may be all addresses of a host. Pure. */
import { type Address, isAddress } from '../../shared/net/address.ts';

export interface ListenAt {
  readonly address: Address;
  readonly port: number;
}

/** Undefined for any other text. */
export function readListenAt(text: string): ListenAt | undefined {
  const match = /^(?:\[([0-9a-f:]+)\]|(\d[\d.]+)):([1-9]\d{0,4})$/.exec(text);
  const address = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  return isAddress(address) && port <= 65_535 ? { address, port } : undefined;
}

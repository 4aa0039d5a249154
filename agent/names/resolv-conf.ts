/** The host's own name servers, as resolv.conf(5) lists them. */
import { type Address, isAddress } from '../../shared/net/address.ts';

/** At most three, as the C library takes; one with a zone is left out. */
export function parseResolvConf(text: string): Address[] {
  return text
    .split('\n')
    .flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? [])
    .filter(isAddress)
    .slice(0, 3);
}

const isLoopback = (address: Address): boolean => address.startsWith('127.') || address === '::1';

/** What Docker tells containers to ask where the host's own list has nothing they could reach. */
const dockersFallback = ['8.8.8.8', '8.8.4.4', '2001:4860:4860::8888', '2001:4860:4860::8844'].filter(isAddress);

/** Which servers the containers of this host are pointed at. */
export function containerResolvers(servers: readonly Address[]): Address[] {
  const reachable = servers.filter((server) => !isLoopback(server));
  return reachable.length > 0 ? reachable : dockersFallback;
}

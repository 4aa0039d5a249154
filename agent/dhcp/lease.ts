/** What a DHCP client was told, as the hook writes it down. Pure. */
import { isAddress } from '../../shared/net/address.ts';
import { type WishedAddress, readAddressWish } from '../../shared/attachment.ts';

/**
 * The hook: called by udhcpc with what happened and the lease in its environment, it keeps the lease in the file that the
 * agent reads, and takes it away with the lease. The agent gives the interface its address, not the hook. Nothing of it
 * is made of what anybody said.
 */
export const hookText = `#!/bin/sh
# Written by warren agent; called by udhcpc, which names what happened and has the lease in its environment.
set -eu
umask 077
case $1 in
  bound | renew)
    printf 'address=%s\\nlength=%s\\ngateway=%s\\n' "$ip" "\${mask:-32}" "\${router:-}" >"$WARREN_LEASE.new"
    mv "$WARREN_LEASE.new" "$WARREN_LEASE"
    printf '%s\\n' "$ip" >"$WARREN_LEASE.last"
    ;;
  deconfig) rm -f "$WARREN_LEASE" ;;
esac
`;

/** Undefined for what cannot be an interface's address: a server is anybody on that network. */
export function readLease(text: string): WishedAddress | undefined {
  const values = new Map(
    text.split('\n').map((line) => [line.split('=', 1)[0] ?? '', line.slice(line.indexOf('=') + 1)]),
  );
  const address = values.get('address') ?? '';
  const length = values.get('length') ?? '';
  const [gateway = ''] = (values.get('gateway') ?? '').split(' ');
  if (!isUsable(address)) return undefined;
  try {
    return readAddressWish(`${address}/${length}${isUsable(gateway) ? `@${gateway}` : ''}`);
  } catch {
    return undefined;
  }
}

/** What the hook kept of an earlier lease, to be asked for again. */
export function readLastAddress(text: string): string | undefined {
  const address = text.trim();
  return isUsable(address) ? address : undefined;
}

/** No network of its own number, loopback, multicast or broadcast. */
const isUsable = (text: string): boolean =>
  isAddress(text) && !text.includes(':') && Number(text.split('.')[0]) % 127 !== 0 && Number(text.split('.')[0]) < 224;

/** Who is at the other end of a socket. There is no proxy in front that may be believed, so headers never count. */
import type { Socket } from 'node:net';
import { type Address, isAddress } from '../../shared/net/address.ts';

/** Canonical; IPv4-mapped IPv6 unwrapped, zones cut off. `::` for a socket that is gone already. */
export function remoteAddressOf(socket: Pick<Socket, 'remoteAddress'>): Address {
  const text = (socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '');
  return isAddress(text) ? text : ('::' as Address);
}

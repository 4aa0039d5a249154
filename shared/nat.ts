/**
 * Whether two hosts can meet without a relay, from what the NATs before them do (RFC 4787 sections 4 and 5). Each is told
 * where the other is seen from, and both send in the same moment.
 */

/** How a host looks from outside: as it is or always the same, or from each receiver a port nobody else knows. */
export type Mapping = 'steady' | 'varying';

/** Whom a NAT lets in to a port it gave: anybody, an address that was sent to, or an address and port that was sent to. */
export type Filtering = 'open' | 'address' | 'port';

export interface NatBehaviour {
  readonly mapping: Mapping;
  readonly filtering: Filtering;
}

/** Once one packet came through, its receiver knows the real source and answers there, which the sender's NAT lets in. */
export function predictPath(a: NatBehaviour, b: NatBehaviour): 'direct' | 'relay' {
  return comesThrough(a, b) || comesThrough(b, a) ? 'direct' : 'relay';
}

/** A packet finds its receiver only at a steady port; with a port filter only from one that the receiver could name. */
function comesThrough(from: NatBehaviour, to: NatBehaviour): boolean {
  return to.mapping === 'steady' && (to.filtering !== 'port' || from.mapping === 'steady');
}

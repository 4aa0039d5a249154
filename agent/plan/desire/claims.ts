/**
 * Who may have which prefix. The map is checked as if the server had not been: a claim that overlaps another host's,
 * the host's own networks, or the way to the peers themselves is refused with a reason (WireGuard would hand a prefix
 * silently to whoever came last).
 */
import { WarrenError } from '../../../shared/errors.ts';
import type { HostId } from '../../../shared/names.ts';
import type { Address } from '../../../shared/net/address.ts';
import type { Cidr } from '../../../shared/net/cidr.ts';
import { refuseReserved, reservedPrefixes } from '../../../shared/net/reserved.ts';
import type { Endpoint } from '../../../shared/net/endpoint.ts';
import type { Refusal } from '../desired.ts';
import { type Range, type RangeIndex, indexRanges, pointOf, rangeOf } from '../ranges.ts';
import { type Underlay, addressOf } from '../underlay.ts';

export interface Claim {
  readonly prefix: Cidr;
  readonly range: Range;
  /** The claiming host; undefined for a pool of the mesh. */
  readonly owner: HostId | undefined;
  /**
   * Addresses and leases belong to one host alone; subnets of several hosts may nest, the longer prefix wins. Only the
   * overlay pools are routed as a whole; a container pool merely keeps subnets out.
   */
  readonly kind: 'overlay pool' | 'container pool' | 'address' | 'lease' | 'subnet';
  readonly isOwn: boolean;
}

export interface ClaimLimits {
  readonly underlay: Underlay;
  /** Prefixes this host advertises itself: a peer's claim to the same is no conflict, merely not needed here. */
  readonly ownSubnets: ReadonlySet<Cidr>;
  readonly serverAddress: Address | undefined;
  /** Endpoints that carry traffic now. */
  readonly usedEndpoints: ReadonlyArray<{ readonly endpoint: Endpoint; readonly name: string }>;
  readonly candidates: ReadonlyArray<{ readonly name: string; readonly endpoints: readonly Endpoint[] }>;
  /** True when the kernel already carries the claim for its owner: what stands is believed before what is new. */
  isIncumbent(claim: Claim): boolean;
  describe(owner: HostId | undefined): string;
}

export interface BelievedClaims {
  readonly claims: readonly Claim[];
  readonly refusals: readonly Refusal[];
}

export function believeClaims(all: readonly Claim[], limits: ClaimLimits): BelievedClaims {
  const refused = new Map<Claim, string>();
  const silent = new Set<Claim>();
  for (const claim of all) {
    if (claim.isOwn || claim.kind === 'container pool') continue;
    if (limits.ownSubnets.has(claim.prefix)) silent.add(claim);
    else {
      const why = standsAlone(claim, limits);
      if (why !== undefined) refused.set(claim, why);
    }
  }
  const index = indexRanges(all, (claim) => claim.range);
  refuseConflicts(index, limits, refused);
  refuseSwallowed(index, limits, refused, silent);
  const claims = all.filter((claim) => !refused.has(claim) && !silent.has(claim));
  return { claims, refusals: [...refused].map(([claim, why]) => refusal(claim, why, limits)) };
}

function refusal(claim: Claim, why: string, limits: ClaimLimits): Refusal {
  return {
    kind: 'prefix-refused',
    subject: claim.prefix,
    why: `the ${claim.kind} of ${limits.describe(claim.owner)} ${why}`,
  };
}

/** Why the claim cannot be used on this host whatever other hosts claim. */
function standsAlone(claim: Claim, { underlay }: ClaimLimits): string | undefined {
  const reserved = isSuspect(claim) ? reservedWhy(claim.prefix) : undefined;
  if (reserved !== undefined) return reserved;
  const connected = underlay.connected.overlap(claim.range);
  if (connected !== undefined) {
    return `overlaps ${connected.address} on ${connected.link.name} of this host; give one of the two another prefix`;
  }
  const route = underlay.foreignRoutes.get(claim.prefix);
  if (route !== undefined) {
    return `is routed through ${route.device ?? 'another device'} on this host already; remove that route or the subnet`;
  }
  return undefined;
}

const reservedRanges = indexRanges(reservedPrefixes, rangeOf);

/** Asking properly costs too much for the thousands of narrow, ordinary prefixes of a mesh. */
function isSuspect({ prefix, range }: Claim): boolean {
  return Number(prefix.slice(prefix.lastIndexOf('/') + 1)) < 16 || reservedRanges.overlap(range) !== undefined;
}

function reservedWhy(prefix: Cidr): string | undefined {
  try {
    refuseReserved(prefix);
    return undefined;
  } catch (error) {
    if (!(error instanceof WarrenError)) throw error;
    return `is refused: ${error.message}`;
  }
}

function refuseConflicts(index: RangeIndex<Claim>, limits: ClaimLimits, refused: Map<Claim, string>): void {
  const refuse = (claim: Claim, other: Claim): void => {
    if (claim.isOwn || refused.has(claim)) return;
    refused.set(
      claim,
      `overlaps ${other.prefix}, the ${other.kind} of ${limits.describe(other.owner)}; change one of them`,
    );
  };
  index.eachNested((a, b) => {
    if (a.owner === b.owner) return;
    if (a.kind === 'subnet' && b.kind === 'subnet') return;
    if (a.kind === 'subnet') refuse(a, b);
    else if (b.kind === 'subnet') refuse(b, a);
    else if (a.owner !== undefined && b.owner !== undefined) refuseNewcomers(a, b, limits, refuse);
  });
}

/** Of two exclusive claims the one in the kernel stands; of two new ones neither is believed. Our own always stands. */
function refuseNewcomers(a: Claim, b: Claim, limits: ClaimLimits, refuse: (claim: Claim, other: Claim) => void): void {
  const isFirst = a.isOwn || limits.isIncumbent(a);
  const isSecond = b.isOwn || limits.isIncumbent(b);
  if (!isFirst || isSecond) refuse(a, b);
  if (!isSecond || isFirst) refuse(b, a);
}

/** A prefix that holds the way to the server or to a peer would send the tunnel's own packets into the tunnel. */
function refuseSwallowed(
  index: RangeIndex<Claim>,
  limits: ClaimLimits,
  refused: Map<Claim, string>,
  silent: ReadonlySet<Claim>,
): void {
  const isStanding = (claim: Claim): boolean =>
    !claim.isOwn && claim.kind !== 'container pool' && !refused.has(claim) && !silent.has(claim);
  const refuseCovering = (address: Address, what: string): void => {
    for (const claim of index.covering(pointOf(address))) {
      if (isStanding(claim)) refused.set(claim, `holds ${address}, ${what}; choose another prefix or endpoint`);
    }
  };
  if (limits.serverAddress !== undefined) refuseCovering(limits.serverAddress, 'the coordination server');
  for (const { endpoint, name } of limits.usedEndpoints) refuseCovering(addressOf(endpoint), `the endpoint of ${name}`);
  for (const { endpoints, name } of limits.candidates) {
    const isSwallowed = (endpoint: Endpoint): boolean => {
      for (const claim of index.covering(pointOf(addressOf(endpoint)))) if (isStanding(claim)) return true;
      return false;
    };
    if (endpoints.length === 0 || !endpoints.every(isSwallowed)) continue;
    for (const endpoint of endpoints) refuseCovering(addressOf(endpoint), `the only way to ${name}`);
  }
}

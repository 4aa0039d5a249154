/** What the real network below the mesh has: both families, and how large its packets are. Pure. */
import { tunnelOverheadBytes } from '../plan/underlay.ts';
import type { Check } from './check.ts';
import { fail, ok, warn } from './check.ts';
import type { NetFacts } from './facts.ts';

const isSix = (endpoint: string): boolean => endpoint.startsWith('[');

export function judgeFamily(family: 4 | 6, { ground, defaultRoutes, hosts }: NetFacts): Check {
  const check = family === 4 ? 'ipv4' : 'ipv6';
  const name = family === 4 ? 'IPv4' : 'IPv6';
  const isOf = (endpoint: string): boolean => isSix(endpoint) === (family === 6);
  const own = ground.endpoints.filter(isOf);
  const onlyThere = hosts
    .filter(({ endpoints }) => endpoints.length > 0 && endpoints.every(isOf))
    .map((host) => host.name);
  if (own.length > 0) {
    if (defaultRoutes.has(family)) return ok(check, { says: own.join(', ') });
    return warn(check, {
      says: `${own.join(', ')}, but no default route`,
      todo: `add one, if hosts outside of its own networks shall be reached by ${name}`,
    });
  }
  if (ground.endpoints.length === 0)
    return fail(check, { says: 'no address on a real network', todo: 'bring a network card up' });
  if (onlyThere.length === 0) return ok(check, { says: 'none here, and no peer needs it' });
  return warn(check, {
    says: `none here, and ${onlyThere.slice(0, 5).join(', ')} ${onlyThere.length === 1 ? 'has' : 'have'} nothing else`,
    todo: `give this host ${name}, or those hosts the other`,
  });
}

export function judgeMtu({ mtu: { linkMtu, pathMtu, isTold }, tunnelMtu }: NetFacts): Check {
  if (pathMtu === undefined) {
    const link = linkMtu === undefined ? '' : `; the first link has ${linkMtu}`;
    return warn('mtu', {
      says: `not known: no echo came back from the server${link}`,
      todo: 'let ICMP echoes through, and have iputils’ ping here, to have it measured',
    });
  }
  const says = `packets of ${pathMtu} bytes reach the server`;
  const needed = tunnelMtu === null ? 0 : tunnelMtu + tunnelOverheadBytes;
  if (needed > pathMtu)
    return warn('mtu', {
      says: `${says}; the tunnel, of ${tunnelMtu}, needs ${needed}`,
      todo: `set the MTU of the network card, or mtu of the server, to let the tunnel have ${pathMtu - tunnelOverheadBytes}`,
    });
  if (!isTold)
    return ok('mtu', {
      says: `${says}, and nobody tells of larger ones, which are lost; the tunnel, of ${tunnelMtu}, fits`,
    });
  return ok('mtu', { says: tunnelMtu === null ? says : `${says}; the tunnel has ${tunnelMtu}` });
}

/** Does UDP come through, and what does a NAT make of it? Pure. */
import type { Check } from './check.ts';
import { fail, ok, warn } from './check.ts';
import type { NetFacts } from './facts.ts';

export function judgeUdp({ ground, reflector, peers, listenPort }: NetFacts): Check {
  const direct = peers.filter(({ path, handshakeAt }) => (path === 'lan' || path === 'direct') && handshakeAt !== null);
  const from = `UDP port ${listenPort}`;
  if (!ground.canAsk)
    return warn('udp', {
      says: `this host cannot ask: its nftables table or its UDP socket is missing; ${direct.length} of ${peers.length} peers had a handshake`,
      todo: 'mend what warren status names as failures',
    });
  if (reflector?.isAnswering === true)
    return ok('udp', { says: `${from}: the server’s reflector answers at ${reflector.endpoint}` });
  if (ground.isAnswered && reflector !== undefined)
    return warn('udp', {
      says: `${from}: peers answer, the server’s reflector at ${reflector.endpoint} does not`,
      todo: `let UDP to ${reflector.endpoint} in at the server`,
    });
  if (ground.isAnswered)
    return ok('udp', { says: `${from}: peers answer; the server has no reflector, or has not told it yet` });
  const isAnybodyThere = reflector !== undefined || peers.some(({ isGone }) => !isGone);
  if (!isAnybodyThere)
    return warn('udp', {
      says: `${from}: there is nobody to ask`,
      todo: 'turn the server’s reflector on, or add a host',
    });
  return fail('udp', {
    says: `${from}: ${reflector === undefined ? 'no peer answers' : 'neither the reflector nor any peer answers'}`,
    todo: `let UDP from port ${listenPort} out, and answers to it in, here and at the firewall of this site`,
  });
}

export function judgeNat({ ground, outside, sights, isRelay, listenPort }: NetFacts): Check {
  const seen = outside.mappedEndpoints.join(', ');
  const forward = `forward a UDP port to ${listenPort} of this host and join with --endpoint`;
  switch (outside.nat) {
    case 'none':
      return ok('nat', {
        says: `none: others see this host at its own address${ground.endpoints.length > 1 ? 'es' : ''}`,
      });
    case 'easy':
      if (isRelay)
        return warn('nat', {
          says: `this relay is behind a NAT, seen as ${seen}`,
          todo: `${forward}; forward WARREN_RELAY_PORTS, too`,
        });
      return ok('nat', { says: `one mapping for all receivers, seen as ${seen}` });
    case 'symmetric': {
      const ports = [...new Set(sights.map(({ mapped }) => mapped))].join(', ');
      return warn('nat', {
        says: `symmetric: each receiver sees another port (${ports})`,
        todo: `${forward}; without that, hosts behind strict NATs are reached by a relay only`,
      });
    }
    case 'unknown': {
      if (seen === '') return warn('nat', { says: 'not known: nobody has told how it sees this host' });
      return warn('nat', {
        says: `behind a NAT, seen as ${seen}; of which kind only a second observer can tell`,
        todo: 'add a host elsewhere, or turn the server’s reflector on',
      });
    }
  }
}

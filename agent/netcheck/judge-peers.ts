/** Who is reached, and how: relays one by one, peers all together. Pure. */
import type { Check } from './check.ts';
import { fail, ok, warn } from './check.ts';
import type { NetFacts } from './facts.ts';
import type { PeerStatus } from '../local/api.ts';

const isDirect = ({ whyNotDirect }: PeerStatus): boolean => whyNotDirect === null;

export function judgeRelays({ hosts, peers, isRelay, outside, ground }: NetFacts): Check[] {
  const marked = new Set(hosts.filter((host) => host.isRelay).map(({ id }) => id));
  const relays = peers.filter(({ hostId }) => marked.has(hostId));
  if (relays.length === 0) {
    if (isRelay) return [ok('relay', { says: 'this host is the only one' })];
    const isNeeded =
      outside.nat === 'symmetric' || !ground.isAnswered || peers.some((peer) => !peer.isGone && !isDirect(peer));
    const todo = 'an operator makes a well-connected host one: warren host set NAME --relay on';
    return [
      isNeeded
        ? warn('relay', { says: 'no host is a relay', todo })
        : ok('relay', { says: 'none, and none is needed here' }),
    ];
  }
  const isOneReached = relays.some(isDirect);
  return relays.map((relay) => {
    const { name: subject, path, via, rttMs, isGone, whyNotDirect } = relay;
    const rtt = rttMs === null ? '' : `, ${rttMs} ms`;
    if (isDirect(relay)) return ok('relay', { subject, says: `reached: ${path}${rtt}` });
    const says =
      path === 'relay'
        ? `reached only by ${via ?? 'another relay'}${rtt}, so it is none for this host`
        : path === 'tls'
          ? `reached only over TLS${rtt}, because UDP does not get through`
          : isGone
            ? 'gone'
            : 'not reached';
    const todo = whyNotDirect ?? 'see that its agent runs and its UDP ports are open';
    return isOneReached || isGone || path === 'tls'
      ? warn('relay', { subject, says, todo })
      : fail('relay', { subject, says, todo });
  });
}

export function judgePeers({ peers }: NetFacts): Check {
  const there = peers.filter(({ isGone }) => !isGone);
  if (there.length === 0) return ok('peers', { says: 'there are no others' });
  const direct = there.filter(isDirect);
  const others = there.filter((peer) => !isDirect(peer));
  const near = direct.filter(({ path }) => path === 'lan').length;
  const relayed = others.filter(({ path }) => path === 'relay').length;
  const overTls = others.filter(({ path }) => path === 'tls').length;
  const lost = others.length - relayed - overTls;
  const says = `${near} by an own network, ${direct.length - near} direct, ${relayed} by relay${overTls > 0 ? `, ${overTls} over TLS` : ''}, ${lost} not reached`;
  if (others.length === 0) return ok('peers', { says });
  const names = others.slice(0, 5).map(({ name }) => name);
  const todo = `warren status says why not direct: ${names.join(', ')}${others.length > names.length ? ', …' : ''}`;
  return lost === there.length ? fail('peers', { says, todo }) : warn('peers', { says, todo });
}

/**
 * `warren netcheck`: what the network lets this host do, and what to do about what it does not. Facts come from the rest
 * of the agent and from measuring now; everything is judged, whatever is down. Pure.
 */
import type { Check, Netcheck } from './check.ts';
import type { NetFacts } from './facts.ts';
import { judgePeers, judgeRelays } from './judge-peers.ts';
import { judgeClock, judgeServer, offsetOf } from './judge-server.ts';
import { judgeNat, judgeUdp } from './judge-udp.ts';
import { judgeFamily, judgeMtu } from './judge-underlay.ts';

export function judge(facts: NetFacts): Netcheck {
  const checks: Check[] = [
    judgeServer(facts),
    judgeClock(facts),
    judgeUdp(facts),
    judgeNat(facts),
    judgeFamily(4, facts),
    judgeFamily(6, facts),
    judgeMtu(facts),
    ...judgeRelays(facts),
    judgePeers(facts),
  ];
  const { server, ground, outside, sights, reflector, mtu, tunnelMtu } = facts;
  const marked = new Set(facts.hosts.filter(({ isRelay }) => isRelay).map(({ id }) => id));
  const relays = facts.peers.filter(({ hostId }) => marked.has(hostId));
  return {
    isOk: checks.every(({ status }) => status !== 'fail'),
    checks,
    server: server.kind === 'failed' ? null : viewServer(server.look),
    ...outside,
    endpoints: [...ground.endpoints],
    sights: sights.map(({ observer, mapped }) => ({ observer, mapped })),
    reflector: reflector ?? null,
    pathMtu: mtu.pathMtu ?? null,
    tunnelMtu,
    relays: relays.map(({ name, path, via, pathSince, rttMs }) => ({ name, path, via, pathSince, rttMs })),
  };
}

function viewServer(look: Extract<NetFacts['server'], { kind: 'answered' }>['look']): Netcheck['server'] {
  const { server, connectMs, tlsMs, answerMs } = look;
  return { address: server ?? null, connectMs, tlsMs, answerMs, clock: offsetOf(look) ?? null };
}

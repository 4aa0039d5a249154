/**
 * Lends WireGuard's port to the agent's probe socket, see `docs/reach.md`: before connection tracking on the way out and
 * after every firewall on the way in, so that probe and tunnel are one flow to everybody between the two hosts.
 */
import { type TablePart, baseChain, chain } from '../nft-table.ts';
import type { FirewallInput } from './input.ts';

/** `WRP1` of probes between agents, `WRR1` of the server's reflector. */
const probeMagicText = '0x57525031';
const magics = `{ ${probeMagicText}, 0x57525231 }`;
/** More than the largest mesh asks of one host; a flood ends here. */
const limit = 'limit rate over 4000/second burst 1000 packets drop';

export function probeChains({ settings: { listenPort }, local: { probePort } }: FirewallInput): TablePart[] {
  if (probePort === undefined) return [];
  return [
    // Before connection tracking.
    baseChain('probe_out', { type: 'filter', hook: 'output', priority: -300 }, [
      `udp sport ${probePort} udp sport set ${listenPort}`,
    ]),
    baseChain('probe_in', { type: 'filter', hook: 'input', priority: 310 }, [
      `udp dport ${listenPort} @th,64,32 ${magics} jump probe_take`,
    ]),
    chain('probe_take', [limit, `udp dport set ${probePort}`]),
    // A probe of path MTU that came in pieces would say that a whole packet fits; this is before they are put together.
    baseChain('probe_whole', { type: 'filter', hook: 'prerouting', priority: -450 }, [
      `ip frag-off & 0x2000 != 0 udp dport ${listenPort} @th,64,32 ${probeMagicText} drop`,
      `frag more-fragments 1 udp dport ${listenPort} @th,64,32 ${probeMagicText} drop`,
    ]),
  ];
}

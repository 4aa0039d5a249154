/**
 * Lends WireGuard's port to the agent's probe socket, see `docs/reach.md`: before connection tracking on the way out and
 * after every firewall on the way in, so that probe and tunnel are one flow to everybody between the two hosts.
 */
import type { FirewallInput } from './input.ts';

/** `WRP1` of probes between agents, `WRR1` of the server's reflector. */
const magics = '{ 0x57525031, 0x57525231 }';
/** More than the largest mesh asks of one host; a flood ends here. */
const limit = 'limit rate over 4000/second burst 1000 packets drop';

export function probeChains({ settings: { listenPort }, local: { probePort } }: FirewallInput): string[] {
  if (probePort === undefined) return [];
  return [
    '  chain probe_out { type filter hook output priority raw; policy accept;',
    `    udp sport ${probePort} udp sport set ${listenPort}`,
    '  }',
    '  chain probe_in { type filter hook input priority 310; policy accept;',
    `    udp dport ${listenPort} @th,64,32 ${magics} jump probe_take`,
    '  }',
    '  chain probe_take {',
    `    ${limit}`,
    `    udp dport set ${probePort}`,
    '  }',
  ];
}

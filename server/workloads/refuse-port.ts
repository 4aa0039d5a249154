/**
 * Which ports may not be published: a packet to a published port never reaches the host's own programs, so a host would
 * lose its tunnels, its way to the server, or the operator's way to it. Pure.
 */
import { WarrenError } from '../../shared/errors.ts';
import type { HostName } from '../../shared/names.ts';
import type { Transport } from '../../shared/workload.ts';

export interface PortSurroundings {
  /** Undefined: every host. */
  readonly host: HostName | undefined;
  /** A host in question whose WireGuard listens on this port. */
  readonly listener: HostName | undefined;
  /** Origin of the coordination server. */
  readonly serverUrl: string;
  /** Whether the server may run on one of the hosts in question, given the name or address in its url. */
  readonly isServerBeside: (address: string) => boolean;
}

/** Throws `conflict`. */
export function refusePort(wish: { port: number; protocol: Transport }, around: PortSurroundings): void {
  const { port, protocol } = wish;
  const why = protocol === 'udp' ? udpReason(around) : tcpReason(port, around);
  if (why !== undefined) throw new WarrenError('conflict', `${port}/${protocol} ${why}`, { field: 'port' });
}

function udpReason({ listener }: PortSurroundings): string | undefined {
  if (listener === undefined) return undefined;
  return `is where the tunnels of host ${listener} end; choose another port`;
}

function tcpReason(port: number, { host, serverUrl, isServerBeside }: PortSurroundings): string | undefined {
  const { hostname, port: explicit } = new URL(serverUrl);
  const address = hostname.replace(/^\[|\]$/g, '');
  if (port === Number(explicit === '' ? 443 : explicit) && isServerBeside(address)) {
    const other = host === undefined ? ', or name hosts that the server does not run on' : '';
    return `is where the coordination server ${serverUrl} listens; choose another port${other}`;
  }
  if (port === 22 && host === undefined) {
    return 'on every host would take SSH away from all of them; choose another port, or name one host';
  }
  return undefined;
}

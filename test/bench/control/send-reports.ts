/** Reports as idle agents send them, each over a connection of its agent's own that is kept between two reports. */
import { Agent } from 'node:https';
import { sendReport } from '../../../shared/api/report.ts';
import { protocolHeader, protocolVersion } from '../../../shared/protocol.ts';
import type { Workload } from '../../../shared/workload.ts';
import { version } from '../../../shared/version.ts';
import { monotonicMs } from './clock.ts';
import { endpointsOf } from './enroll-agents.ts';
import { type Answer, send, succeeded } from './https.ts';
import type { Place, SimulatedAgent } from './simulated-agent.ts';

/** As many peers as a report holds at most. */
const reportedPeers = 256;
const pools = new Map<SimulatedAgent, Agent>();

/** Ends the kept connections, so that they are not counted among the feed's. */
export function endReportConnections(): void {
  for (const pool of pools.values()) pool.destroy();
  pools.clear();
}

interface Told {
  readonly peers: readonly SimulatedAgent[];
  readonly listenPort?: number;
  readonly workloads?: readonly Workload[];
}

/** `sentAt` of the last report, ms. */
export async function sendReports(
  place: Place,
  agents: readonly SimulatedAgent[],
  concurrency: number,
  { peers, listenPort = 51820, workloads = [] }: Told,
): Promise<{ startedAt: number; sentAt: number; endedAt: number }> {
  const startedAt = monotonicMs();
  const rest = [...agents];
  const handshakes = peers.slice(0, reportedPeers).map(peerOf);
  let sentAt = NaN;
  const worker = async (): Promise<void> => {
    for (let agent = rest.pop(); agent !== undefined; agent = rest.pop()) {
      ({ sentAt } = succeeded(await sendAgain(place, agent, bodyOf(agent, listenPort, handshakes, workloads))));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { startedAt, sentAt, endedAt: monotonicMs() };
}

/** A kept connection may be closed just when it is used again; agents repeat the call then, once. */
async function sendAgain(place: Place, agent: SimulatedAgent, body: unknown): Promise<Answer> {
  try {
    return await send(optionsOf(place, agent), body);
  } catch {
    return send(optionsOf(place, agent), body);
  }
}

function optionsOf(place: Place, agent: SimulatedAgent) {
  const pool = pools.get(agent) ?? new Agent({ keepAlive: true, maxSockets: 1 });
  pools.set(agent, pool);
  return {
    host: place.host,
    port: place.port,
    secureContext: agent.credentials(place),
    agent: pool,
    localAddress: agent.localAddress,
    checkServerIdentity: () => undefined,
    method: sendReport.method,
    path: sendReport.path,
    headers: { [protocolHeader]: String(protocolVersion) },
  };
}

const peerOf = ({ hostId }: SimulatedAgent) => ({
  hostId,
  endpoint: '198.18.0.1:51820',
  handshakeAt: new Date().toISOString(),
  rxBytes: 123_456_789,
  txBytes: 987_654_321,
});

const bodyOf = (
  agent: SimulatedAgent,
  listenPort: number,
  peers: readonly ReturnType<typeof peerOf>[],
  workloads: readonly Workload[],
) => ({
  applied: null,
  ...endpointsOf(agent, listenPort),
  peers,
  failures: [],
  attachments: [],
  workloads,
  advertise: [],
  backend: { kind: 'wireguard-go', version: '0.0.20231211' },
  agentVersion: version,
});

/** Enrolls simulated agents through the real API: a new TLS connection each, as machines do. */
import { enrollHost } from '../../../shared/api/enroll.ts';
import { protocolHeader, protocolVersion } from '../../../shared/protocol.ts';
import { parseToken } from '../../../shared/token.ts';
import { version } from '../../../shared/version.ts';
import { monotonicMs } from './clock.ts';
import { send, succeeded } from './https.ts';
import type { Place, SimulatedAgent } from './simulated-agent.ts';

export interface Enrollment {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly count: number;
}

export async function enrollAgents(
  place: Place,
  token: string,
  agents: readonly SimulatedAgent[],
  concurrency: number,
): Promise<Enrollment> {
  const startedAt = monotonicMs();
  const rest = [...agents];
  const worker = async (): Promise<void> => {
    for (let agent = rest.pop(); agent !== undefined; agent = rest.pop()) await enroll(place, token, agent);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { startedAt, endedAt: monotonicMs(), count: agents.length };
}

async function enroll({ host, port, ca }: Place, token: string, agent: SimulatedAgent): Promise<void> {
  const { id, secret } = parseToken(token);
  const { body } = succeeded(
    await send(
      {
        host,
        port,
        ca,
        agent: false,
        localAddress: agent.localAddress,
        checkServerIdentity: () => undefined,
        method: enrollHost.method,
        path: enrollHost.path,
        headers: { [protocolHeader]: String(protocolVersion) },
      },
      {
        tokenId: id,
        tokenSecret: secret.reveal(),
        name: agent.name,
        publicKey: agent.publicKey,
        csr: agent.csr,
        ...endpointsOf(agent, 51820),
        advertise: [],
        agentVersion: version,
      },
    ),
  );
  const reply = enrollHost.reply.parse(JSON.parse(body));
  agent.hostId = reply.hostId;
  agent.certificate = reply.certificate;
}

/** One declared and two local ones, as a machine behind an address translator has. Benchmark addresses (RFC 2544). */
export function endpointsOf({ number, endpoint }: SimulatedAgent, listenPort: number) {
  if (endpoint !== undefined) return { listenPort, declaredEndpoints: [endpoint], localEndpoints: [] };
  const [high, low] = [number >> 8, number & 255];
  return {
    listenPort,
    declaredEndpoints: [`198.18.${high}.${low}:${listenPort}`],
    localEndpoints: [`192.168.${high}.${low}:${listenPort}`, `[2001:2::1:${(number + 1).toString(16)}]:${listenPort}`],
  };
}

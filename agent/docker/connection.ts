/** One acquaintance with an engine: its version, its firewall, and its events for as long as it lives. */
import { WarrenError } from '../../shared/errors.ts';
import type { Cidr } from '../../shared/net/cidr.ts';
import { type EngineEvent, askInfo, askVersion, eventSchema, eventsPath, listNetworks } from './api.ts';
import { type Engine, createEngine } from './engine.ts';
import { subnetsOf } from './joined.ts';

export interface Connection {
  readonly engine: Engine;
  readonly version: string;
  readonly firewall: 'iptables' | 'nftables';
  close(): void;
}

export interface ConnectionListener {
  readonly onEvent: (event: EngineEvent) => void;
  readonly onEnd: () => void;
}

/**
 * Resolves when the engine answers and its events flow, so that what happens after a first look is heard. Throws
 * `unreachable` where nobody answers, `conflict` for an engine that serves another network namespace.
 */
export async function connectEngine(
  socketPath: string,
  isHere: (linkName: string, subnet: Cidr) => Promise<boolean>,
  listener: ConnectionListener | undefined,
): Promise<Connection> {
  const { ApiVersion } = await askVersion(createEngine(socketPath, undefined));
  const engine = createEngine(socketPath, ApiVersion);
  const info = await askInfo(engine);
  await refuseStranger(engine, socketPath, isHere);
  const ended = new AbortController();
  if (listener !== undefined) await follow(engine, listener, ended.signal);
  return {
    engine,
    version: info.ServerVersion,
    firewall: info.FirewallBackend?.Driver === 'nftables' ? 'nftables' : 'iptables',
    close: () => ended.abort(),
  };
}

/** An engine whose own bridge is not here lives in another network namespace: its containers are not ours to join. */
async function refuseStranger(
  engine: Engine,
  socketPath: string,
  isHere: (linkName: string, subnet: Cidr) => Promise<boolean>,
): Promise<void> {
  const own = (await listNetworks(engine)).find((network) => network.Name === 'bridge');
  const linkName = own?.Options?.['com.docker.network.bridge.name'];
  const subnet = own === undefined ? undefined : subnetsOf(own)[0];
  if (linkName === undefined || subnet === undefined || (await isHere(linkName, subnet))) return;
  throw new WarrenError(
    'conflict',
    `the engine at ${socketPath} has its bridge ${linkName} in another network namespace; name the engine of this one with WARREN_DOCKER, or set it to off`,
  );
}

function follow(engine: Engine, { onEvent, onEnd }: ConnectionListener, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const hear = (line: string): void => {
      const event = readEvent(line);
      if (event !== undefined) onEvent(event);
    };
    engine
      .follow(eventsPath, { onOpen: resolve, onLine: hear }, signal)
      .catch(reject)
      .finally(() => {
        if (!signal.aborted) onEnd();
      });
  });
}

/** An event that is not understood still says that something happened. */
function readEvent(line: string): EngineEvent | undefined {
  try {
    return eventSchema.parse(JSON.parse(line));
  } catch {
    return { Type: 'unknown', Action: 'unknown', Actor: { ID: '' } };
  }
}

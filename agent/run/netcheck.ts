/** Gathers what netcheck judges by: what the rooms know, and what is measured now. Nothing that is down stops the rest. */
import { asWarrenError } from '../../shared/errors.ts';
import { type Address, type Family, isAddress } from '../../shared/net/address.ts';
import { pause } from '../clock.ts';
import { hostOf } from '../https.ts';
import type { Status } from '../local/api.ts';
import type { Netcheck } from '../netcheck/check.ts';
import type { Looked, NetFacts } from '../netcheck/facts.ts';
import { judge } from '../netcheck/netcheck.ts';
import { type PathMtu, findPathMtu } from '../netcheck/path-mtu.ts';
import { readUnderlay } from '../plan/underlay.ts';
import type { Context } from './context.ts';
import type { Works } from './works.ts';

/** How long the reflector may take, with its first retries. */
const reflectorMs = 1_800;
const pollMs = 50;

export async function netcheck(context: Context, works: Works, readStatus: () => Promise<Status>): Promise<Netcheck> {
  const { membership, selfId, settings, host } = context;
  const [server, reflector] = await Promise.all([lookAt(context), askReflector(context, works)]);
  const [mtu, status] = await Promise.all([measureMtu(context, works, server), readStatus()]);
  const hosts = membership.map()?.hosts ?? [];
  return judge({
    serverUrl: host.serverUrl,
    server,
    feed: works.stream.connection(),
    listenPort: settings().listenPort,
    ground: { ...works.paths.ground(), isAnswered: works.paths.isAnswered() || reflector?.isAnswering === true },
    reflector,
    outside: works.paths.outside(),
    sights: works.paths.room?.sights() ?? [],
    defaultRoutes: defaultRoutes(works),
    mtu,
    tunnelMtu: status.mtu,
    isRelay: membership.self()?.isRelay === true,
    hosts: hosts.filter(({ id }) => id !== selfId),
    peers: status.peers,
  });
}

async function lookAt({ link, clock }: Context): Promise<Looked> {
  try {
    return { kind: 'answered', look: await link.look(() => clock.now()) };
  } catch (error) {
    return { kind: 'failed', error: asWarrenError(error) };
  }
}

/** Asks anew and waits: what it said a minute ago is not what is asked for. */
async function askReflector({ clock }: Context, { paths }: Works): Promise<NetFacts['reflector']> {
  const { room } = paths;
  const endpoint = paths.reflector();
  if (room === undefined || endpoint === undefined) return undefined;
  const beganAt = clock.now();
  room.reflect();
  const isAnswered = (): boolean => room.sights().some(({ observer, at }) => observer === endpoint && at >= beganAt);
  const never = new AbortController().signal;
  for (let i = 0; i < reflectorMs / pollMs && !isAnswered(); i += 1) await pause(clock, pollMs, never);
  return { endpoint, isAnswering: isAnswered() };
}

async function measureMtu(context: Context, { reconciler }: Works, server: Looked): Promise<PathMtu> {
  const { system, settings, link, host } = context;
  const { observed } = reconciler.reached();
  const looked = server.kind === 'answered' ? server.look.server : undefined;
  const target = looked ?? link.path()?.server ?? literal(host.serverUrl);
  if (target === undefined) return { linkMtu: undefined, pathMtu: undefined, isTold: false };
  return findPathMtu(
    system,
    target,
    observed === undefined ? undefined : readUnderlay(observed, settings()).mtuTo(target),
  );
}

/** The address in a URL that names one. */
function literal(serverUrl: string): Address | undefined {
  const { hostname } = hostOf(serverUrl);
  return isAddress(hostname) ? hostname : undefined;
}

const everywhere: ReadonlyArray<[string, Family]> = [
  ['0.0.0.0/0', 4],
  ['::/0', 6],
];

function defaultRoutes({ reconciler }: Works): Set<Family> {
  const routes = reconciler.reached().observed?.routes ?? [];
  return new Set(everywhere.filter(([all]) => routes.some(({ prefix }) => prefix === all)).map(([, family]) => family));
}

/**
 * Makes this machine a host of the mesh that a token names. Keys are made here and stay here; the server is believed only
 * after its CA has shown the pinned key. Each thing is written down before the next step relies on it, so a run that
 * breaks off anywhere is finished by the same command: the server knows the identity key and answers with the same host.
 */
import { createSocket } from 'node:dgram';
import { Agent } from 'node:https';
import type { z } from 'zod';
import { createCall } from '../shared/api/client.ts';
import { enrollHost } from '../shared/api/enroll.ts';
import { crashPoint } from '../shared/crash-points.ts';
import { WarrenError } from '../shared/errors.ts';
import { type HostName, parseHostName } from '../shared/names.ts';
import { parseCidr } from '../shared/net/cidr.ts';
import type { Endpoint } from '../shared/net/endpoint.ts';
import { refuseReserved } from '../shared/net/reserved.ts';
import { type advertisedRouteSchema, weightSchema } from '../shared/network-map.ts';
import type { EnrollmentToken } from '../shared/token.ts';
import { version } from '../shared/version.ts';
import type { AgentSettings } from './config.ts';
import { localEndpoints } from './endpoints.ts';
import { createSend, tlsOptions } from './https.ts';
import { makeCsr } from './identity.ts';
import { type PinnedCa, fetchPinnedCa } from './server-ca.ts';
import type { HostFile, State } from './state.ts';
import { showLinks } from './system/ip.ts';
import type { System } from './system/run.ts';

type AdvertisedRoute = z.infer<typeof advertisedRouteSchema>;

export interface Enrollment {
  readonly token: EnrollmentToken;
  readonly settings: AgentSettings;
  readonly state: State;
  readonly system: System;
  /** The machine's own name, for when none is given. */
  readonly machineName: string;
  readonly name?: HostName | undefined;
  readonly advertise: readonly AdvertisedRoute[];
  readonly endpoints: readonly Endpoint[];
  readonly listenPort?: number | undefined;
}

export type Enrolled = z.output<typeof enrollHost.reply> & { readonly isAgain: boolean };

/** Throws `already-enrolled`, `server-untrusted`, `token-invalid`, `name-taken`, … */
export async function enroll(enrollment: Enrollment): Promise<Enrolled> {
  const { token, state } = enrollment;
  const earlier = await readEarlier(state);
  const ca = await fetchPinnedCa(token.serverUrl, token.caPin);
  const before = ofSameMesh(earlier, ca);
  const host = await draftHost(enrollment, before, ca);
  await state.writeCa(ca.pem);
  const [identityKey, { publicKey }] = await Promise.all([state.identityKey(), state.wireguardKeys()]);
  await pinLock(state, token);
  await state.writeHost(host);
  crashPoint('enroll.keys-made');
  const csr = await makeCsr(identityKey, host.name);
  const reply = await callEnroll(enrollment, ca.pem, { host, csr, publicKey });
  crashPoint('enroll.answered');
  await state.writeCertificate(reply.certificate);
  crashPoint('enroll.certificate-saved');
  await state.writeHost({ ...host, hostId: reply.hostId, name: reply.name });
  return { ...reply, isAgain: before?.hostId === reply.hostId };
}

/** What an earlier run settled. A damaged file is no reason not to join again. */
async function readEarlier(state: State): Promise<HostFile | undefined> {
  try {
    return await state.readHost();
  } catch (error) {
    if (!(error instanceof WarrenError) || error.code !== 'state-corrupt') throw error;
    return undefined;
  }
}

/** Throws `already-enrolled` where the machine has a place in another mesh. */
function ofSameMesh(before: HostFile | undefined, { lineage }: PinnedCa): HostFile | undefined {
  if (before === undefined || before.hostId === null || lineage.includes(before.caPin)) return before;
  throw new WarrenError(
    'already-enrolled',
    `this machine is enrolled at ${before.serverUrl} as ${before.name}; run 'warren leave' first, or use --instance NAME to join a second mesh`,
  );
}

/** Before the server says anything of other hosts. Throws `conflict` where this host has pinned another root. */
async function pinLock(state: State, { lockRoot }: EnrollmentToken): Promise<void> {
  const pinned = (await state.readLockRoot())?.trim();
  if (lockRoot === undefined || pinned === lockRoot) return;
  if (pinned === undefined) return state.writeLockRoot(lockRoot);
  throw new WarrenError(
    'conflict',
    `the token is of a mesh locked by the root ${lockRoot}, this host has pinned ${pinned}; if that lock was given up on purpose: warren lock pin ${lockRoot} --replace`,
  );
}

async function draftHost(enrollment: Enrollment, before: HostFile | undefined, ca: PinnedCa): Promise<HostFile> {
  const { token, settings, advertise, endpoints } = enrollment;
  return {
    format: 1,
    serverUrl: token.serverUrl,
    caPin: ca.pin,
    name: enrollment.name ?? before?.name ?? nameOfMachine(enrollment.machineName),
    listenPort: enrollment.listenPort ?? settings.listenPort ?? before?.listenPort ?? (await findFreePort()),
    declaredEndpoints: endpoints.length > 0 ? [...endpoints] : (before?.declaredEndpoints ?? []),
    advertise: advertise.length > 0 ? [...advertise] : (before?.advertise ?? []),
    // The earlier id stays until the server has answered, so that a running agent's state is never half.
    hostId: before?.hostId ?? null,
  };
}

async function callEnroll(
  { token, settings, system }: Enrollment,
  ca: string,
  { host, csr, publicKey }: { host: HostFile; csr: string; publicKey: z.input<typeof enrollHost.body>['publicKey'] },
): Promise<z.output<typeof enrollHost.reply>> {
  const agent = new Agent(tlsOptions({ ca }));
  try {
    const links = await showLinks(system);
    const own = new Set<string>([settings.interfaceName, settings.bridgeName]);
    const context = { own, pools: [], listenPort: host.listenPort, preferred: undefined };
    return await createCall(createSend({ serverUrl: token.serverUrl, agent, notePath: () => undefined }))(enrollHost, {
      body: {
        tokenId: token.id,
        tokenSecret: token.secret.reveal(),
        name: host.name,
        publicKey,
        csr,
        listenPort: host.listenPort,
        declaredEndpoints: host.declaredEndpoints,
        localEndpoints: localEndpoints(links.values(), context),
        advertise: host.advertise,
        agentVersion: version,
      },
    });
  } finally {
    agent.destroy();
  }
}

/** The first label of the machine's name, made to fit. Throws `name-invalid` when nothing of it does. */
export function nameOfMachine(machineName: string): HostName {
  const label = machineName.split('.')[0] ?? '';
  const fitted = label
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
  try {
    return parseHostName(fitted);
  } catch (cause) {
    throw new WarrenError(
      'name-invalid',
      `this machine's name '${label.slice(0, 64)}' cannot be a host name; give one with --name`,
      { cause, field: 'name' },
    );
  }
}

/** `CIDR` or `CIDR#WEIGHT`, as tinc writes subnets; the weight is 10 by default. */
export function parseAdvertise(text: string): AdvertisedRoute {
  const [, prefix = '', weight = '10'] = /^([^#]*)(?:#(.*))?$/s.exec(text) ?? [];
  const cidr = parseCidr(prefix);
  refuseReserved(cidr, 'advertise');
  const parsed = weightSchema.safeParse(/^(?:0|[1-9]\d{0,4})$/.test(weight) ? Number(weight) : NaN);
  if (parsed.success) return { prefix: cidr, weight: parsed.data };
  throw new WarrenError('usage-invalid', `--advertise ${prefix}#…: the weight is a whole number from 0 to 65535`, {
    field: 'advertise',
  });
}

const firstPort = 51820;
const portsTried = 100;

/** A UDP port nobody listens on now: 51820, or one after it where another WireGuard has that. */
async function findFreePort(): Promise<number> {
  for (let port = firstPort; port < firstPort + portsTried; port += 1) {
    if (await isPortFree(port)) return port;
  }
  throw new WarrenError(
    'conflict',
    `the UDP ports ${firstPort} to ${firstPort + portsTried - 1} are all in use; give one with --listen-port`,
  );
}

function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: 'udp4', reuseAddr: false });
    socket.once('error', () => resolve(false));
    socket.bind(port, () => socket.close(() => resolve(true)));
  });
}

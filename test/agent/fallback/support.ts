/** Hosts with real certificates of one mesh, and rooms that speak real TLS over loopback; only the path room is a list. */
import { randomBytes } from 'node:crypto';
import { type Socket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { pino } from 'pino';
import { systemClock } from '../../../agent/clock.ts';
import { type Fallback, startFallback } from '../../../agent/fallback/room.ts';
import { makeCsr, makeIdentityKey } from '../../../agent/identity.ts';
import { makeWireguardKeys } from '../../../agent/keys.ts';
import { senderOf } from '../../../agent/probe/wire.ts';
import { type Path, newPath } from '../../../agent/paths/path.ts';
import type { Credentials } from '../../../agent/state.ts';
import { type Authority, loadOrCreateAuthority } from '../../../server/pki/authority.ts';
import type { HostName } from '../../../shared/names.ts';
import { parseAddress } from '../../../shared/net/address.ts';
import { type Endpoint, parseEndpoint, splitEndpoint } from '../../../shared/net/endpoint.ts';
import { type HostRecord, hostRecordSchema } from '../../../shared/network-map.ts';
import type { PublicKey } from '../../../shared/wireguard.ts';
import { createMemoryKeys } from '../../server/pki/memory-keys.ts';

const log = pino({ level: 'silent' });

export const hostRecord = (number: number, changes: Partial<HostRecord> = {}): HostRecord =>
  hostRecordSchema.parse({
    id: `h${'abcdefgh'[number]}`.padEnd(17, 'a'),
    name: `host-${number}`,
    publicKey: makeWireguardKeys().publicKey,
    addresses: [`10.86.0.${number + 1}`],
    leases: [],
    subnets: [],
    endpoints: ['127.0.0.1:51820'],
    isGone: false,
    workloads: [],
    ...changes,
  });

export const newAuthority = (): Promise<Authority> =>
  loadOrCreateAuthority({ keys: createMemoryKeys(), clock: systemClock, random: randomBytes });

export async function credentialsOf(
  authority: Authority,
  { id, name }: HostRecord,
  now = Date.now(),
): Promise<Credentials> {
  const key = makeIdentityKey();
  const { pem } = authority.issueHostCertificate({ hostId: id, csrPem: await makeCsr(key, name), now });
  return { key, certificate: pem, ca: authority.caPem };
}

export interface TestHost {
  readonly record: HostRecord;
  readonly fallback: Fallback;
  /** By peer and relay: where its tunnel would be sent to. */
  offers(): ReadonlyMap<string, Endpoint>;
  /** What WireGuard of this host got, and from where. */
  readonly got: { readonly from: Endpoint; readonly text: string }[];
  readonly knocked: string[];
  /** As WireGuard, or as anybody else of this machine. */
  send(to: Endpoint, packet: Buffer, from?: Socket): void;
}

export interface HostOptions {
  readonly record: HostRecord;
  readonly credentials: Credentials;
  readonly isListening?: boolean;
  /** Peers that are reached by UDP. */
  readonly reached?: readonly HostRecord[];
}

export async function startHost(t: TestContext, options: HostOptions): Promise<TestHost> {
  const { record, credentials, isListening = false, reached = [] } = options;
  const wireguard = createSocket('udp4');
  wireguard.bind(0, '127.0.0.1');
  await once(wireguard, 'listening');
  const got: { from: Endpoint; text: string }[] = [];
  wireguard.on('message', (packet, { address, port }) => {
    got.push({ from: parseEndpoint(`${address}:${port}`), text: packet.subarray(4).toString() });
  });
  const offered = new Map<string, { peer: PublicKey; via: HostName; endpoint: Endpoint }>();
  const knocked: string[] = [];
  const isReached = (peer: PublicKey): boolean => reached.some(({ publicKey }) => publicKey === peer);
  const best = (peer: PublicKey): Path | undefined =>
    isReached(peer) ? newPath({ endpoint: parseEndpoint('192.0.2.1:51820'), kind: 'direct' }, false) : undefined;
  const fallback = startFallback({
    clock: systemClock,
    log,
    selfId: record.id,
    selfKey: () => record.publicKey,
    credentials: () => Promise.resolve(credentials),
    listenPort: () => wireguard.address().port,
    relayPorts: { first: 51_900, last: 52_923 },
    listenAt: isListening ? { address: parseAddress('127.0.0.1'), port: record.tlsPort ?? 0 } : undefined,
    paths: {
      best,
      path: (peer, endpoint) => {
        const found = [...offered.values()].find((one) => one.peer === peer && one.endpoint === endpoint);
        return found && newPath({ ...found, kind: 'tls' }, false);
      },
      // As after a start: WireGuard still sends into a stream that ended, so nobody waits for UDP.
      ways: () => (reached.length > 0 ? [] : [newPath({ endpoint: parseEndpoint('127.0.0.1:9'), kind: 'tls' }, true)]),
      setCarried: (peer, { via }, endpoint) => {
        if (endpoint === undefined) offered.delete(`${peer} ${via}`);
        else offered.set(`${peer} ${via}`, { peer, via, endpoint });
      },
    },
    knock: (host, partner) => knocked.push(`${host.name} for ${partner.name}`),
    onNews: () => undefined,
  });
  t.after(() => {
    fallback.stop();
    wireguard.close();
  });
  return {
    record,
    fallback,
    offers: () => new Map([...offered].map(([key, { endpoint }]) => [key, endpoint])),
    got,
    knocked,
    send: (to, packet, from = wireguard) => from.send(packet, splitEndpoint(to).port, '127.0.0.1'),
  };
}

export const wayOf = (host: TestHost, peer: TestHost, relay: TestHost): Endpoint | undefined =>
  host.offers().get(`${peer.record.publicKey} ${relay.record.name}`);

/** A message as WireGuard's data packets begin. */
export const data = (text: string): Buffer => Buffer.concat([Buffer.from([4, 0, 0, 0]), Buffer.from(text)]);

export const idOf = ({ record }: TestHost): string => senderOf(record.publicKey);

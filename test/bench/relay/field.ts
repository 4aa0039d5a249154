/**
 * Two hosts and a third one between them, joined in two ways at once: by Warren, whose third host is a relay that holds no
 * key of the pair, and by hand with a hub that decrypts and encrypts again, as meshes do that relay inside WireGuard. A wall
 * between the two hosts decides which way Warren takes. All three use the same wireguard-go.
 */
import { readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ipBatch, run } from '../../support/command.ts';
import { interfacePrefix } from '../../support/lab-cleanup.ts';
import type { LabHost } from '../../support/lab-host.ts';
import { type Lab, openLab } from '../../support/lab.ts';
import { inside, pidsInside } from '../../support/namespace.ts';
import { startProcess } from '../../support/process.ts';
import { until } from '../../support/wait.ts';

export interface RelayField {
  readonly from: LabHost;
  readonly to: LabHost;
  /** Of `to`, on Warren's overlay and through the hub. */
  readonly overWarren: string;
  readonly overHub: string;
  /** Resolves when both hosts go that way. */
  take(way: 'direct' | 'relay'): Promise<void>;
  close(): void;
}

const mtu = 1420;
/** Not one of those that Warren's relays use. */
const hubPort = 41999;

export async function createRelayField(): Promise<RelayField> {
  const lab = await openLab();
  try {
    const relay = await lab.addMember();
    await lab.server.admin('host', 'set', relay.name, '--relay', 'on');
    const [from, to] = [await lab.addMember(), await lab.addMember()];
    await buildHub(lab, relay, [from, to]);
    const overWarren = (await peerOf(from, to))?.addresses[0] ?? '';
    const take = async (way: 'direct' | 'relay'): Promise<void> => {
      await (way === 'relay' ? raiseWall(from, to) : dropWall(from));
      await until(`both go ${way}`, { seconds: 60 }, async () => {
        const paths = [(await peerOf(from, to))?.path, (await peerOf(to, from))?.path];
        return paths.every((path) => (path === 'relay') === (way === 'relay') && path !== 'none');
      });
    };
    return { from, to, overWarren, overHub: hubAddress(2), take, close: () => lab.close() };
  } catch (error) {
    lab.close();
    throw error;
  }
}

interface Peer {
  readonly name: string;
  readonly path: string;
  readonly addresses: readonly string[];
}

async function peerOf(host: LabHost, peer: LabHost): Promise<Peer | undefined> {
  const { peers } = (await host.status()) as { peers: Peer[] };
  return peers.find(({ name }) => name === peer.name);
}

/** On the wire of one host, so that no rule of an agent has a part in it. */
async function raiseWall(host: LabHost, { address }: LabHost): Promise<void> {
  const input = `add table netdev wall
  delete table netdev wall
  table netdev wall {
    chain out { type filter hook egress device eth0 priority 0; ip daddr ${address} udp dport 1-65535 drop; }
    chain in { type filter hook ingress device eth0 priority 0; ip saddr ${address} udp dport 1-65535 drop; }
  }`;
  await host.run(['nft', '-f', '-'], { input });
}

async function dropWall(host: LabHost): Promise<void> {
  await host.run(['nft', 'delete', 'table', 'netdev', 'wall'], { okCodes: [0, 1] });
}

const hubAddress = (number: number): string => `10.99.0.${number}`;

interface Place {
  readonly host: LabHost;
  readonly number: number;
  readonly interfaceName: string;
  readonly privateKey: string;
  readonly publicKey: string;
}

async function buildHub(lab: Lab, relay: LabHost, ends: readonly LabHost[]): Promise<void> {
  const program = await wireguardGoOf(relay);
  const places = await Promise.all([relay, ...ends].map((host, i) => placeOf(lab, host, i === 0 ? 9 : i)));
  const [hub, ...spokes] = places;
  if (hub === undefined) return;
  await relay.run(['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
  await connect(
    lab,
    program,
    hub,
    spokes.map(({ publicKey, number }) => peerText(publicKey, `${hubAddress(number)}/32`)),
  );
  const toHub = `${peerText(hub.publicKey, '10.99.0.0/24')}Endpoint = ${relay.address}:${hubPort}\nPersistentKeepalive = 5\n`;
  for (const spoke of spokes) await connect(lab, program, spoke, [toHub]);
}

async function placeOf(lab: Lab, host: LabHost, number: number): Promise<Place> {
  const privateKey = (await run(['wg', 'genkey'])).stdout;
  const publicKey = (await run(['wg', 'pubkey'], { input: privateKey })).stdout;
  return { host, number, interfaceName: `${interfacePrefix(lab.id)}hub${number}`, privateKey, publicKey };
}

const peerText = (publicKey: string, allowed: string): string =>
  `[Peer]\nPublicKey = ${publicKey}\nAllowedIPs = ${allowed}\n`;

async function connect(lab: Lab, program: string, place: Place, peers: readonly string[]): Promise<void> {
  const { host, interfaceName, number, privateKey } = place;
  const logFile = join(lab.dir, `${interfaceName}.log`);
  startProcess(inside(host.namespace, ['setsid', program, '-f', interfaceName]), {
    logFile,
    env: { LOG_LEVEL: 'error' },
  });
  await until('wireguard-go answers', { seconds: 10 }, () => host.run(['wg', 'show', interfaceName]));
  const file = join(lab.dir, `${interfaceName}.conf`);
  const own = `[Interface]\nPrivateKey = ${privateKey}\nListenPort = ${hubPort}\n`;
  await writeFile(file, own + peers.join(''), { mode: 0o600 });
  await host.run(['wg', 'setconf', interfaceName, file]);
  const up = [`addr add ${hubAddress(number)}/24 dev ${interfaceName}`, `link set ${interfaceName} mtu ${mtu} up`];
  await ipBatch(up, host.namespace);
}

async function wireguardGoOf({ namespace }: LabHost): Promise<string> {
  const programs = await Promise.all(
    pidsInside([namespace]).map((pid) => readlink(`/proc/${pid}/exe`).catch(() => '')),
  );
  const found = programs.find((path) => path.endsWith('/wireguard-go'));
  if (found === undefined) throw new Error('no wireguard-go runs on the relay, and the bench knows no other backend');
  return found;
}

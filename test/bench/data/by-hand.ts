/**
 * WireGuard as a careful person sets it up by hand: one interface, one peer, one route, a bridge, nothing else (no
 * firewall rule, no address translation). The same binary that Warren chose, so that only Warren's share is compared.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ipBatch, run } from '../../support/command.ts';
import { runInside } from '../../support/namespace.ts';
import type { Running } from '../../support/process.ts';
import { until } from '../../support/wait.ts';
import { type BenchContext, startInside } from '../context.ts';
import { type Contender, endAll } from './contender.ts';
import { type BenchHost, type Topology, plugContainer, unplugContainer } from './topology.ts';

const mtu = 1420;

interface Keys {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** `name` because two copies run side by side, to show what the method itself can tell apart. */
export async function createByHand(
  context: BenchContext,
  { name, topology, wireguardGo }: { name: string; topology: Topology; wireguardGo: string },
): Promise<Contender> {
  const [one, two] = topology.hosts;
  const [first, second] = [await makeKeys(), await makeKeys()];
  const daemons: Running[] = [];
  const join = async (self: BenchHost, own: Keys, peer: BenchHost, theirs: Keys): Promise<void> => {
    const argv = [wireguardGo, '-f', self.interfaceName];
    daemons.push(startInside(context, self.namespace, argv, { LOG_LEVEL: 'error' }));
    const file = path.join(context.run.dir, `${self.namespace}.conf`);
    await writeFile(file, configuration(own, peer, theirs), { mode: 0o600 });
    await configure(self, peer, file);
  };
  return {
    name,
    about: `${await versionOf(wireguardGo)}, MTU ${mtu}, set up with wg and ip`,
    topology,
    start: async () => void (await Promise.all([join(one, first, two, second), join(two, second, one, first)])),
    async stop() {
      await Promise.all(topology.hosts.map(unplugContainer));
      await endAll(daemons);
    },
    target: () => two.container.address,
  };
}

async function makeKeys(): Promise<Keys> {
  const privateKey = (await run(['wg', 'genkey'])).stdout;
  return { privateKey, publicKey: (await run(['wg', 'pubkey'], { input: privateKey })).stdout };
}

async function configure(
  { namespace, interfaceName, ...self }: BenchHost,
  peer: BenchHost,
  file: string,
): Promise<void> {
  await until('wireguard-go answers', { seconds: 10, everyMilliseconds: 5 }, () =>
    runInside(namespace, ['wg', 'show', interfaceName]),
  );
  await runInside(namespace, ['wg', 'setconf', interfaceName, file]);
  await ipBatch(
    [`link set ${interfaceName} mtu ${mtu} up`, `route add ${peer.container.subnet} dev ${interfaceName}`],
    namespace,
  );
  await plugContainer({ namespace, interfaceName, ...self }, mtu);
}

const configuration = (own: Keys, peer: BenchHost, theirs: Keys): string => `[Interface]
PrivateKey = ${own.privateKey}
ListenPort = 51820
[Peer]
PublicKey = ${theirs.publicKey}
Endpoint = ${peer.underlay}:51820
AllowedIPs = ${peer.container.subnet}
PersistentKeepalive = 25
`;

async function versionOf(wireguardGo: string): Promise<string> {
  const { stdout } = await run([wireguardGo, '--version']);
  return stdout.split('\n')[0]?.trim() ?? 'wireguard-go';
}

/** Real WireGuard interfaces that stand for many hosts, all in one namespace, each with a key and a port of its own. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { existsSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { runInside } from '../../support/namespace.ts';
import { until } from '../../support/wait.ts';
import { type BenchContext, interfaceOf } from '../context.ts';
import type { Tunnel } from '../control/simulated-agent.ts';

export interface FarTunnels {
  readonly tunnels: readonly Tunnel[];
  /** Makes all of them accept the host with this key, and only that one. */
  accept(publicKey: string): Promise<void>;
}

const firstPort = 52_000;
/** Where `test/setup.sh` puts a recent one; else the one on the PATH. */
const preferred = '/usr/local/lib/warren/wireguard-go';

export async function createFarTunnels(
  context: BenchContext,
  place: { namespace: string; address: string; count: number },
): Promise<FarTunnels> {
  const { namespace, address, count } = place;
  const folder = join(context.run.dir, 'far');
  await mkdir(folder);
  const all = Array.from({ length: count }, (_, i) => ({
    name: interfaceOf(context, `f${i}`),
    port: firstPort + i,
    ...makeKeys(),
  }));
  for (const { name, port, privateKey } of all) {
    const file = join(folder, name);
    await writeFile(file, privateKey, { mode: 0o600 });
    await runInside(namespace, [existsSync(preferred) ? preferred : 'wireguard-go', name]);
    await until(`${name} answers`, { seconds: 10, everyMilliseconds: 5 }, () =>
      runInside(namespace, ['wg', 'show', name]),
    );
    await runInside(namespace, ['wg', 'set', name, 'listen-port', String(port), 'private-key', file]);
    await runInside(namespace, ['ip', 'link', 'set', name, 'up']);
  }
  return {
    tunnels: all.map(({ publicKey, port }) => ({ publicKey, endpoint: `${address}:${port}` })),
    async accept(publicKey) {
      for (const { name } of all) {
        const others = (await runInside(namespace, ['wg', 'show', name, 'peers'])).stdout.split('\n').filter(Boolean);
        const gone = others.flatMap((key) => ['peer', key, 'remove']);
        await runInside(namespace, ['wg', 'set', name, ...gone, 'peer', publicKey, 'allowed-ips', '0.0.0.0/0,::/0']);
      }
    },
  };
}

function makeKeys(): { privateKey: string; publicKey: string } {
  const pair = generateKeyPairSync('x25519');
  const [priv, pub] = [pair.privateKey.export({ format: 'jwk' }).d, pair.publicKey.export({ format: 'jwk' }).x];
  const base64 = (text: string | undefined): string => Buffer.from(text ?? '', 'base64url').toString('base64');
  return { privateKey: base64(priv), publicKey: base64(pub) };
}

/** tinc 1.0 in router mode with the ciphers its manual gives as default. */
import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../support/command.ts';
import type { Running } from '../../support/process.ts';
import { type BenchContext, startInside } from '../context.ts';
import { type Contender, endAll } from './contender.ts';
import { type BenchHost, type Topology, plugContainer, unplugContainer } from './topology.ts';

export async function createTinc(context: BenchContext, topology: Topology): Promise<Contender> {
  const [one, two] = topology.hosts;
  const placeOf = (host: BenchHost): string => join(context.run.dir, 'tinc', nameOf(host));
  await Promise.all([configure(placeOf(one), one, two), configure(placeOf(two), two, one)]);
  for (const [from, to] of [
    [one, two],
    [two, one],
  ] as const) {
    await copyFile(join(placeOf(from), 'hosts', nameOf(from)), join(placeOf(to), 'hosts', nameOf(from)));
  }
  const daemons: Running[] = [];
  const launch = async (self: BenchHost): Promise<void> => {
    const argv = ['tincd', '-D', '-c', placeOf(self), `--pidfile=${placeOf(self)}/pid`];
    daemons.push(startInside(context, self.namespace, argv));
    await plugContainer(self, 1500);
  };
  return {
    name: 'tinc',
    about: `${await version()}, router mode, default cipher (aes-256-cbc, sha256), container MTU 1500`,
    topology,
    start: async () => void (await Promise.all(topology.hosts.map(launch))),
    async stop() {
      await Promise.all(topology.hosts.map(unplugContainer));
      await endAll(daemons);
    },
    target: () => two.container.address,
  };
}

const nameOf = (host: BenchHost): string => `n${host.number}`;

async function configure(place: string, self: BenchHost, peer: BenchHost): Promise<void> {
  await mkdir(join(place, 'hosts'), { recursive: true });
  await writeFile(
    join(place, 'tinc.conf'),
    `Name = ${nameOf(self)}\nMode = router\nInterface = ${self.interfaceName}\nAddressFamily = ipv4\nConnectTo = ${nameOf(peer)}\n`,
  );
  await writeFile(
    join(place, 'hosts', nameOf(self)),
    `Address = ${self.underlay}\nSubnet = ${self.container.subnet}\n`,
  );
  const up = join(place, 'tinc-up');
  await writeFile(
    up,
    `#!/bin/sh\nip link set "$INTERFACE" up\nip route add ${peer.container.subnet} dev "$INTERFACE"\n`,
  );
  await chmod(up, 0o755);
  await run(['tincd', '-c', place, '-K2048'], { timeoutSeconds: 120 });
}

async function version(): Promise<string> {
  const { stdout } = await run(['tincd', '--version']);
  return `tinc ${/version (\S+)/.exec(stdout)?.[1] ?? ''}`;
}

/** nebula with static addresses instead of a lighthouse, AES-256-GCM, its default MTU. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../support/command.ts';
import type { Running } from '../../support/process.ts';
import { type BenchContext, startInside } from '../context.ts';
import { type Contender, endAll } from './contender.ts';
import { type BenchHost, type Topology, plugContainer, unplugContainer } from './topology.ts';

export async function createNebula(context: BenchContext, topology: Topology): Promise<Contender> {
  const [one, two] = topology.hosts;
  const folder = join(context.run.dir, 'nebula');
  await mkdir(folder, { recursive: true });
  await run(['nebula-cert', 'ca', '-name', 'bench', '-out-crt', `${folder}/ca.crt`, '-out-key', `${folder}/ca.key`]);
  await configure(folder, one, two);
  await configure(folder, two, one);
  const daemons: Running[] = [];
  const launch = async (self: BenchHost): Promise<void> => {
    const argv = ['nebula', '-config', join(folder, `n${self.number}.yml`)];
    daemons.push(startInside(context, self.namespace, argv));
    await plugContainer(self, 1500);
  };
  return {
    name: 'nebula',
    about: `nebula ${(await run(['nebula', '-version'])).stdout.replace('Version: ', '')}, AES-256-GCM, MTU 1300`,
    topology,
    start: async () => void (await Promise.all(topology.hosts.map(launch))),
    async stop() {
      await Promise.all(topology.hosts.map(unplugContainer));
      await endAll(daemons);
    },
    target: () => two.container.address,
  };
}

const insideAddress = (host: BenchHost): string => `10.87.0.${host.number}`;

async function configure(folder: string, self: BenchHost, peer: BenchHost): Promise<void> {
  const name = `n${self.number}`;
  const signer = ['-ca-crt', `${folder}/ca.crt`, '-ca-key', `${folder}/ca.key`];
  const made = ['-out-crt', `${folder}/${name}.crt`, '-out-key', `${folder}/${name}.key`];
  const claim = ['-name', name, '-ip', `${insideAddress(self)}/24`, '-subnets', self.container.subnet];
  await run(['nebula-cert', 'sign', ...signer, ...claim, ...made]);
  const anyone = [{ port: 'any', proto: 'any', host: 'any' }];
  // JSON is YAML.
  const settings = {
    pki: { ca: `${folder}/ca.crt`, cert: `${folder}/${name}.crt`, key: `${folder}/${name}.key` },
    static_host_map: { [insideAddress(peer)]: [`${peer.underlay}:4242`] },
    lighthouse: { am_lighthouse: false, hosts: [] },
    listen: { host: '0.0.0.0', port: 4242 },
    cipher: 'aes',
    punchy: { punch: true },
    tun: {
      dev: self.interfaceName,
      mtu: 1300,
      unsafe_routes: [{ route: peer.container.subnet, via: insideAddress(peer), mtu: 1300 }],
    },
    firewall: { outbound: anyone, inbound: anyone },
  };
  await writeFile(join(folder, `${name}.yml`), JSON.stringify(settings));
}

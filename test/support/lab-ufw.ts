/** UFW as Debian has it, for one host of a lab: its configuration in the host's folder, its rules in the host's namespace. */
import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabHost } from './lab-host.ts';
import { platformFile } from './lab-platforms.ts';

/** `ufw` with these arguments; answers what it printed. */
export type Ufw = (...args: string[]) => Promise<string>;

/** Not enabled yet, as after installing the package. */
export function makeUfw(host: LabHost): Ufw {
  const root = join(host.dir, 'ufw');
  for (const folder of ['etc/ufw', 'etc/default', 'lib/ufw', 'usr/share/ufw'])
    cpSync(platformFile(folder), join(root, folder), { recursive: true });
  // As its package does when it is configured.
  const shared = join(root, 'usr/share/ufw');
  for (const file of readdirSync(shared).filter((name) => /\.(?:rules|conf|init)$/.test(name)))
    cpSync(join(shared, file), join(root, 'etc/ufw', file));
  const defaults = join(root, 'etc/default/ufw');
  const text = readFileSync(defaults, 'utf8').replace(/^IPT_SYSCTL=.*$/m, `IPT_SYSCTL=${root}/etc/ufw/sysctl.conf`);
  writeFileSync(defaults, text);
  const env = { PYTHONPATH: platformFile('usr/lib/python3/dist-packages') };
  const argv = ['python3', platformFile('usr/sbin/ufw'), `--rootdir=${root}`, `--datadir=${root}`];
  return async (...args) => (await host.run([...argv, ...args], { env })).stdout;
}

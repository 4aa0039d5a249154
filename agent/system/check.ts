/** What must be there before an agent starts: programs and one capability. */
import { WarrenError } from '../../shared/errors.ts';
import type { Argv, System } from './run.ts';

const programs: ReadonlyArray<{ readonly argv: Argv; readonly debianPackage: string }> = [
  { argv: ['ip', '-V'], debianPackage: 'iproute2' },
  { argv: ['wg', '--version'], debianPackage: 'wireguard-tools' },
  { argv: ['nft', '--version'], debianPackage: 'nftables' },
  { argv: ['nsenter', '--version'], debianPackage: 'util-linux' },
];

/** Bit of CAP_NET_ADMIN (capabilities(7)). */
const netAdmin = 12n;

/** Throws `program-missing` naming every Debian package that is needed, or `privilege-missing`. */
export async function checkHost(system: System): Promise<void> {
  const missing: string[] = [];
  for (const { argv, debianPackage } of programs) {
    if (!(await isThere(system, argv))) missing.push(debianPackage);
  }
  if (missing.length > 0) {
    throw new WarrenError(
      'program-missing',
      `the agent needs more programs; run: apt-get install ${missing.join(' ')}`,
    );
  }
  const status = (await system.readText('/proc/self/status')) ?? '';
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  if (effective !== undefined && ((BigInt(`0x${effective}`) >> netAdmin) & 1n) === 0n) {
    throw new WarrenError(
      'privilege-missing',
      'the agent needs CAP_NET_ADMIN; run it as root, by its systemd unit, or give the container cap_add: [NET_ADMIN]',
    );
  }
}

async function isThere(system: System, argv: Argv): Promise<boolean> {
  try {
    await system.run({ argv });
    return true;
  } catch (error) {
    if (error instanceof WarrenError && error.code === 'program-missing') return false;
    throw error;
  }
}

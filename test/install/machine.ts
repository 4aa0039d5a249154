/**
 * A machine with systemd for the install tests: the file tree of this one below an overlay, booted by systemd-nspawn in
 * a network namespace of a lab. What it writes goes to memory; it ends with the process that it is.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandOptions, type CommandResult, run } from '../support/command.ts';
import { isAlive, startProcess } from '../support/process.ts';
import { until } from '../support/wait.ts';

export interface Machine {
  /** Any command inside, as root. */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** A line for its shell, as somebody would paste it. */
  shell(line: string, options?: CommandOptions): Promise<CommandResult>;
  /** The command line that runs `argv` inside. */
  inside(argv: readonly string[]): string[];
  /** Files that an installation could have left, with what they hold. */
  listFiles(): Promise<string[]>;
  powerOff(): Promise<void>;
}

/** Each cgroup hierarchy that systemd wants a place of its own in. */
const hierarchies = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'];

const boot = `
set -eu
for base in ${hierarchies.join(' ')}; do
  if [ -w $base/cgroup.procs ]; then mkdir -p $base/$NAME; echo $$ >$base/$NAME/cgroup.procs; fi
done
exec unshare --mount --propagation private sh -euc '
  mount -t tmpfs tmpfs "$DIR"
  mkdir "$DIR/upper" "$DIR/work" "$DIR/root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$DIR/upper,workdir=$DIR/work" "$DIR/root"
  if [ -e "$DIR/root/usr/local/lib/warren/wireguard-go" ]; then
    mv "$DIR/root/usr/local/lib/warren/wireguard-go" "$DIR/root/usr/local/bin/"
  fi
  cd "$DIR/root" && rm -rf etc/systemd/system/*.wants etc/warren var/lib/warren run/warren usr/local/lib/warren usr/local/bin/warren
  printf "%s\\n" box >"$DIR/root/etc/hostname"
  export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
  exec systemd-nspawn --quiet --register=no --keep-unit --network-namespace-path="/run/netns/$NAME" \\
    --capability=CAP_NET_ADMIN --directory="$DIR/root" --boot systemd.unit=multi-user.target'
`;

/** Boots a machine in namespace `name`, which is there already. */
export async function bootMachine(name: string, dir: string): Promise<Machine> {
  await installPrograms();
  mkdirSync(dir);
  const nspawn = startProcess(['sh', '-c', boot], { logFile: `${dir}.log`, env: { NAME: name, DIR: dir } });
  const leader = await until('the machine has an init', { seconds: 20 }, async () => {
    if (!nspawn.isRunning()) throw new Error(`nspawn ended: ${nspawn.output()}`);
    return initBelow(nspawn.pid);
  });
  const inside = (argv: readonly string[]): string[] => [
    'nsenter',
    `--target=${leader}`,
    '--mount',
    '--pid',
    '--uts',
    '--ipc',
    '--net',
    '--',
    'env',
    '--ignore-environment',
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOME=/root',
    ...argv,
  ];
  const machine: Machine = {
    inside,
    run: (argv, options) => run(inside(argv), options),
    shell: (line, options) => run(inside(['sh', '-c', line]), { timeoutSeconds: 180, ...options }),
    async listFiles() {
      const outside = ['nsenter', `--target=${nspawn.pid}`, '--mount', '--'];
      const written = await run([...outside, 'sh', '-c', changed, 'sh', dir]);
      const running = await run(inside(['sh', '-c', volatile]));
      return [...written.stdout.split('\n'), ...running.stdout.split('\n')].sort();
    },
    async powerOff() {
      if (isAlive(leader)) process.kill(leader, 'SIGKILL');
      await until('the machine is off', { seconds: 15 }, () => !nspawn.isRunning());
      for (const base of hierarchies) removeCgroups(join(base, name));
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    await waitUntilUp(machine);
  } catch (error) {
    await machine.powerOff();
    throw error;
  }
  return machine;
}

async function waitUntilUp(machine: Machine): Promise<void> {
  await until('the machine is up', { seconds: 120, everyMilliseconds: 250 }, async () => {
    const { stdout } = await machine.run(['systemctl', 'is-system-running'], { okCodes: 'any' });
    if (/^(running|degraded)$/.test(stdout)) return true;
    const jobs = await machine.run(['systemctl', 'list-jobs', '--no-pager'], { okCodes: 'any' });
    throw new Error(`it says '${stdout}' and waits for ${jobs.stdout}${jobs.stderr}`);
  });
}

/**
 * What the machine changed of the tree it was booted from (deleted files are devices 0/0), and what stands in /run. Logs,
 * caches and systemd's own books change on any machine that is up.
 */
const changed = `
cd "$1/upper"
find . \\( -path ./tmp -o -path ./var/log -o -path ./var/tmp -o -path ./var/cache -o -path ./var/lib/systemd \\) -prune \\
  -o -not -type d -printf '%y %m %s %p\\n'
find . -type d -not -path './var/log*' -not -path './var/lib/systemd*' | while read -r dir; do [ -d "/$dir" ] || echo "d $dir"; done
`;
const volatile = `
find /run \\( -path /run/systemd -o -path /run/log -o -path /run/udev -o -path /run/user -o -name agetty.reload \\) -prune -o -printf '%y %p\\n'
`;

async function installPrograms(): Promise<void> {
  const { exitCode } = await run(['sh', '-c', 'command -v systemd-nspawn && command -v systemctl'], { okCodes: 'any' });
  if (exitCode === 0) return;
  const argv = ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', 'systemd', 'systemd-container'];
  await run(argv, { timeoutSeconds: 300, env: { DEBIAN_FRONTEND: 'noninteractive' } });
}

/** The init of the machine; until it runs, nspawn's children are helpers. */
function initBelow(pid: number): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return children.find((child) => readFileSync(`/proc/${child}/comm`, 'utf8') === 'systemd\n');
}

/** Deepest first; the kernel removes a cgroup only when nothing is below it. */
function removeCgroups(path: string): void {
  void run(['find', path, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'], { okCodes: 'any' });
}

/**
 * A QEMU guest that sees this machine's file system read-only below a copy-on-write layer, with a Debian kernel that has
 * WireGuard. Runs one command in it. Must not write to the host but for the guest's own folder of results.
 */
import { execa } from 'execa';
import { chmod, copyFile, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Guest {
  /** Folder that test/setup.sh filled: root/ (kernel and busybox), version. */
  readonly kernelDir: string;
  /** Root of the repository. */
  readonly directory: string;
  readonly memoryMegabytes: number;
  readonly deadlineSeconds: number;
}

/** What the initramfs needs to reach the host's file system, in the order of their dependencies. */
const modules = [
  'drivers/virtio/virtio',
  'drivers/virtio/virtio_ring',
  'drivers/virtio/virtio_pci_modern_dev',
  'drivers/virtio/virtio_pci_legacy_dev',
  'drivers/virtio/virtio_pci',
  'fs/netfs/netfs',
  'fs/fscache/fscache',
  'net/9p/9pnet',
  'net/9p/9pnet_virtio',
  'fs/9p/9p',
  'fs/overlayfs/overlay',
];

/** Runs `argv` inside a fresh guest, its output on ours. Answers its exit code, or 1 when the guest never told one. */
export async function runInGuest(guest: Guest, argv: readonly string[]): Promise<number> {
  const version = (await readFile(join(guest.kernelDir, 'version'), 'utf8')).trim();
  const work = await mkdtemp(join(tmpdir(), 'warren-guest-'));
  try {
    const out = join(work, 'out');
    await mkdir(out);
    await writeFile(join(out, 'directory'), guest.directory);
    await writeFile(join(out, 'arguments'), argv.map((argument) => `${argument}\n`).join(''));
    const initrd = await buildInitramfs(guest, version, work);
    await boot(guest, version, initrd, out);
    return await readExitCode(out);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function buildInitramfs(guest: Guest, version: string, work: string): Promise<string> {
  const root = join(work, 'initramfs');
  await mkdir(join(root, 'bin'), { recursive: true });
  await mkdir(join(root, 'modules'));
  await copyFile(join(guest.kernelDir, 'root/bin/busybox'), join(root, 'bin/busybox'));
  const init = await readFile(join(guest.directory, 'test/kernel/init.sh'), 'utf8');
  await writeFile(join(root, 'init'), init.replace('#!/bin/sh', '#!/bin/busybox sh'));
  await chmod(join(root, 'init'), 0o755);
  for (const [index, module] of modules.entries()) {
    const from = join(guest.kernelDir, 'root/lib/modules', version, 'kernel', `${module}.ko`);
    const to = `${String(index).padStart(2, '0')}-${module.split('/').at(-1)}.ko`;
    await copyFile(from, join(root, 'modules', to));
  }
  const list = ['.', 'init', 'bin', 'bin/busybox', 'modules', ...(await listModules(root))];
  const archive = await execa('cpio', ['-o', '-H', 'newc', '--quiet'], {
    cwd: root,
    input: list.join('\n'),
    encoding: 'buffer',
  });
  const initrd = join(work, 'initrd');
  await writeFile(initrd, archive.stdout);
  return initrd;
}

async function listModules(root: string): Promise<string[]> {
  const { stdout } = await execa('ls', [join(root, 'modules')]);
  return stdout.split('\n').map((name) => `modules/${name}`);
}

async function boot(guest: Guest, version: string, initrd: string, out: string): Promise<void> {
  const share = (path: string, tag: string, options: string): string[] => [
    '-virtfs',
    `local,path=${path},mount_tag=${tag},security_model=none,multidevs=remap${options}`,
  ];
  // The guest mounts it before the host's root is its own root, where an absolute link would lead astray.
  const modulesDir = await realpath(join(guest.kernelDir, 'root/lib/modules', version));
  const script = join(guest.directory, 'test/kernel/guest.sh');
  const append = `console=ttyS0 quiet panic=-1 loglevel=3 run=${script} modules=${modulesDir}`;
  await execa(
    'qemu-system-x86_64',
    [
      ...'-M q35 -accel tcg,thread=multi -cpu max -smp 2 -nographic -no-reboot -nic none -device virtio-rng-pci'.split(
        ' ',
      ),
      ...share('/', 'hostroot', ',readonly=on'),
      ...share(out, 'out', ''),
      '-m',
      String(guest.memoryMegabytes),
      '-kernel',
      join(guest.kernelDir, `root/boot/vmlinuz-${version}`),
      '-initrd',
      initrd,
      '-append',
      append,
    ],
    { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit', timeout: guest.deadlineSeconds * 1000, reject: false },
  );
}

async function readExitCode(out: string): Promise<number> {
  try {
    return Number((await readFile(join(out, 'exit-code'), 'utf8')).trim());
  } catch {
    process.stderr.write('the guest ended without an exit code: it did not boot, or ran out of time\n');
    return 1;
  }
}

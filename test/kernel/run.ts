/**
 * `npm run test:kernel`: mesh tests once more where the kernel itself speaks WireGuard, in a QEMU guest. Emulated, so 10
 * to 20 times slower than this machine: it takes the tests that touch the kernel's WireGuard, not those that need load.
 *   node --import tsx test/kernel/run.ts [TEST...]     names of files in test/mesh, without .test.ts
 */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../support/lab-config.ts';
import { runInGuest } from './guest.ts';

const always = ['join'];

const chosen = process.argv.slice(2);
const names = chosen.length > 0 ? chosen : [...kernelTests(), ...always];
// Compiled, because an emulated processor takes long to compile.
const files = names.map((name) => join(root, 'dist/test/mesh', `${name}.test.js`)).filter((file) => existsSync(file));
if (files.length === 0) throw new Error(`no such tests in dist/test/mesh: ${names.join(', ')}; run npm run build`);

const guest = {
  // The guest sees the file system below another root, where an absolute link leads nowhere.
  kernelDir: realpathSync(join(root, '.cache/kernel')),
  directory: root,
  memoryMegabytes: 4096,
  deadlineSeconds: 2400,
};
// Ctrl-C reaches QEMU too; its end is ours, so that the guest's folder is removed.
process.on('SIGINT', () => undefined);
const runner = ['node', '--test', '--test-concurrency=1', '--test-reporter=spec', ...files];
process.exitCode = await runInGuest(guest, ['env', 'WARREN_LAB_PATIENCE=10', ...runner]);

function kernelTests(): string[] {
  return readdirSync(join(root, 'test/mesh'))
    .filter((file) => /^kernel-.*\.test\.ts$/.test(file))
    .map((file) => file.slice(0, -'.test.ts'.length));
}

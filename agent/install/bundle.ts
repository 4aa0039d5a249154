/** The command line of a host as one CommonJS script, the form that Node's single-executable applications take. */
import { build } from 'esbuild';
import { join } from 'node:path';

/**
 * Node 20 warns at each start that `require` in such a script loads built-in modules only, which is all this one asks
 * of it. The warning is printed by a listener on the next tick, so the first line of the script can take its place.
 */
const quietStart = `
process.removeAllListeners('warning');
process.on('warning', (w) => {
  if (!w.message.includes('single-executable application')) process.stderr.write('warren: ' + w.name + ': ' + w.message + '\\n');
});`;

export async function bundle(root: string, outfile: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: [join(root, 'cli/warren.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    minify: true,
    // Errors are told by name in logs.
    keepNames: true,
    legalComments: 'none',
    logLevel: 'warning',
    banner: { js: quietStart },
    plugins: [
      {
        name: 'leave the server out',
        setup(hooks) {
          hooks.onResolve({ filter: /^\.\/server\/server\.ts$/ }, () => ({
            path: join(root, 'agent/install/without-server.ts'),
          }));
        },
      },
    ],
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Every file of this project that is evaluated when `entry` starts, dynamic imports left out. */
async function loadedAtStart(entry: string): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'silent',
  });
  const loaded = new Set<string>();
  const visit = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const { path, kind } of metafile.inputs[file]?.imports ?? []) {
      if (kind === 'import-statement' && metafile.inputs[path] !== undefined) visit(path);
    }
  };
  visit(entry);
  return [...loaded].sort();
}

test('the executable starts with the dispatch alone; each command is loaded when asked for', async () => {
  const loaded = await loadedAtStart('cli/warren.ts');
  assert.deepEqual(
    loaded.filter((file) => !/^(cli\/[a-z]+|shared\/errors)\.ts$/.test(file)),
    [],
  );
});

test('the agent loads neither the server nor the admin commands', async () => {
  const loaded = await loadedAtStart('cli/host/agent.ts');
  assert.ok(loaded.some((file) => file.startsWith('agent/')));
  assert.deepEqual(
    loaded.filter((file) => /^(server|cli\/admin|cli\/server)\//.test(file)),
    [],
  );
});

/**
 * `npm run fuzz -- [SECONDS] [SEED]`: every law in the tests (routes, frames, reports, certificate requests, DNS packets,
 * configuration, planning) round after round, each from another seed, until the time is over or one is broken. The same
 * seed gives the same rounds. Without a seed it takes one of the clock and prints it.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

function wholeNumber(text: string | undefined, what: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  process.stderr.write(`fuzz: ${what} must be a whole number, not '${text}'\n`);
  process.exit(2);
}

/** Files with laws that need no root and no namespaces. */
function filesWithLaws(): string[] {
  return ['shared', 'server', 'agent'].flatMap((folder) =>
    readdirSync(join(root, 'test', folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => join('test', folder, name))
      .filter((name) => readFileSync(join(root, name), 'utf8').includes("from 'fast-check'")),
  );
}

function playRound(files: readonly string[], seed: number): { isBroken: boolean; output: string } {
  const argv = ['--import', 'tsx', '--import', './test/fuzz/seed.ts', '--test', ...files];
  const env = { ...process.env, WARREN_FUZZ_SEED: String(seed) };
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return { isBroken: status !== 0, output: stdout + stderr };
}

/** What failed, with its reason; all of it where nothing is named. */
function failuresOf(output: string): string {
  const parts = output.split(/^(?=# Subtest|not ok |ok )/m).filter((part) => part.startsWith('not ok'));
  return parts.length > 0 ? parts.join('') : output;
}

const seconds = wholeNumber(process.argv[2], 'SECONDS', 600);
const first = wholeNumber(process.argv[3], 'SEED', Date.now() % 1_000_000_000);
const files = filesWithLaws();
const end = Date.now() + seconds * 1000;
process.stdout.write(`fuzz: ${files.length} files with laws, ${seconds} s, seed ${first}\n`);
let rounds = 0;
do {
  const seed = first + rounds;
  const { isBroken, output } = playRound(files, seed);
  if (isBroken) {
    process.stdout.write(`${failuresOf(output)}\nfuzz: broken with seed ${seed}; again: npm run fuzz -- 1 ${seed}\n`);
    process.exit(1);
  }
  rounds += 1;
} while (Date.now() < end);
process.stdout.write(`fuzz: ${rounds} rounds, seeds ${first} to ${first + rounds - 1}, nothing broken\n`);

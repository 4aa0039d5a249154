/**
 * Runs one external command to its end, as the tests need it: argv, no shell, `LC_ALL=C`, and an error that shows what
 * was run and what it said.
 */
import { execa } from 'execa';
import { patience } from './lab-config.ts';

export interface CommandOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutSeconds?: number;
  /** Exit codes that are no error; [0] by default. 'any' accepts all. */
  readonly okCodes?: readonly number[] | 'any';
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

export async function run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [file = '', ...args] = argv;
  const result = await execa(file, args, {
    env: { LC_ALL: 'C', ...options.env },
    timeout: (options.timeoutSeconds ?? 60) * patience * 1000,
    reject: false,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
  });
  const exitCode = result.exitCode ?? -1;
  const okCodes = options.okCodes ?? [0];
  if (okCodes !== 'any' && !okCodes.includes(exitCode)) {
    const why = result.timedOut ? 'timed out' : `exited with ${exitCode}`;
    throw new Error(`${argv.join(' ')} ${why}\n${result.stderr}\n${result.stdout}`.trim());
  }
  return { stdout: result.stdout, stderr: result.stderr, exitCode };
}

/** One `ip` process for many commands: a fork costs more than what it does. */
export async function ipBatch(lines: readonly string[], namespace?: string): Promise<void> {
  if (lines.length === 0) return;
  const inside = namespace === undefined ? [] : ['-n', namespace];
  await run(['ip', ...inside, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

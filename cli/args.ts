/** How this process was called: argv, environment and terminal. The only reader of them here. */
import type { Io } from './command.ts';
import { createOutput } from './output.ts';

export interface Invocation {
  /** Arguments after the program's name. */
  readonly args: readonly string[];
  readonly io: Io;
}

export function readInvocation(): Invocation {
  // In a single-file build argv[1] is the executable again, as it is the script elsewhere.
  const args = process.argv.slice(2);
  const { stdin, stdout, stderr, env } = process;
  endQuietlyWhenNobodyReads(stdout);
  const output = createOutput({
    write: (text) => void stdout.write(text),
    writeError: (text) => void stderr.write(text),
    isJson: asksForJson(args),
    isColored: stdout.isTTY && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb',
    width: stdout.isTTY ? stdout.columns : undefined,
  });
  return { args, io: { output, env, isTerminal: stdin.isTTY && stderr.isTTY } };
}

/** Looked for before anything is parsed, so that a mistake in the rest of the line is told in JSON too. */
export function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const options = end === -1 ? args : args.slice(0, end);
  return options.some(
    (text, i) =>
      text === '--json' ||
      text === '-ojson' ||
      text === '--output=json' ||
      (text === 'json' && (options[i - 1] === '-o' || options[i - 1] === '--output')),
  );
}

/** `warren host ls | head -1` closes the pipe early; that is no failure. */
function endQuietlyWhenNobodyReads(stdout: NodeJS.WriteStream): void {
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
}

/** How this process was called: argv, environment and terminal. The only reader of them here. */
import { basename } from 'node:path';
import { WarrenError } from '../shared/errors.ts';
import type { Io } from './command.ts';
import { createOutput } from './output.ts';

export interface Invocation {
  /** Arguments after the program's name. */
  readonly args: readonly string[];
  readonly io: Io;
}

export function readInvocation(): Invocation {
  // In a single-file build argv[1] is the executable again, as it is the script elsewhere.
  const { stdin, stdout, stderr, env } = process;
  const args = [...calledAs(), ...process.argv.slice(2)];
  endQuietlyWhenNobodyReads(stdout);
  const output = createOutput({
    write: (text) => void stdout.write(text),
    writeError: (text) => void stderr.write(text),
    isJson: asksForJson(args),
    isColored: stdout.isTTY && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb',
    width: stdout.isTTY ? stdout.columns : undefined,
  });
  const isTerminal = stdin.isTTY && stderr.isTTY;
  return { args, io: { output, env, isTerminal, program: ownProgram(), readInput: () => readAll(stdin) } };
}

/** Container runtimes call a plugin by its name and without arguments; a link of that name to this executable will do. */
function calledAs(): string[] {
  const names = [process.argv0, process.argv[1] ?? ''].map((path) => basename(path));
  return names.includes('warren-cni') ? ['cni'] : [];
}

/** A single-file build is its own executable; otherwise node runs a script. */
function ownProgram(): string[] {
  const executable = process.execPath;
  const script = process.argv[1] ?? '';
  return basename(executable).startsWith('node') ? [executable, ...process.execArgv, script] : [executable];
}

const maxInputChars = 1024 * 1024;

async function readAll(stdin: NodeJS.ReadStream): Promise<string> {
  let text = '';
  stdin.setEncoding('utf8');
  for await (const chunk of stdin as AsyncIterable<string>) {
    text += chunk;
    if (text.length > maxInputChars) throw new WarrenError('body-too-large', 'standard input is longer than 1 MiB');
  }
  return text;
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

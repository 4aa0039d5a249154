/** An `Io` whose streams are kept, and a whole command line run in this process with it. */
import type { ExitCode, Io } from '../../cli/command.ts';
import { asksForJson } from '../../cli/args.ts';
import { createOutput } from '../../cli/output.ts';
import { run } from '../../cli/run.ts';

export interface Outcome {
  readonly exitCode: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runCli(
  args: readonly string[],
  env: Io['env'] = {},
  isTerminal = false,
  input = '',
): Promise<Outcome> {
  const written: string[] = [];
  const noted: string[] = [];
  const output = createOutput({
    write: (text) => void written.push(text),
    writeError: (text) => void noted.push(text),
    isJson: asksForJson(args),
    isColored: false,
    width: undefined,
  });
  const exitCode = await run(args, {
    output,
    env,
    isTerminal,
    program: ['warren'],
    readInput: () => Promise.resolve(input),
  });
  return { exitCode, stdout: written.join(''), stderr: noted.join('') };
}

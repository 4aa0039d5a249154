/**
 * What a command file needs: its streams, its environment, and how it is registered. Each file in `server/`, `host/` and
 * `admin/` exports one `register`, which adds one command (with its subcommands) to the program; its action throws
 * `WarrenError` and never exits, prints or reads `process` by itself. No module the host's build bundles may use
 * top-level await or `import.meta`: it becomes one CommonJS file.
 */
import type { Command } from 'commander';
import { type ErrorCode, WarrenError } from '../shared/errors.ts';
import type { Output } from './output.ts';

export interface Io {
  readonly output: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** True when a person can be asked: both stdin and stderr are terminals. */
  readonly isTerminal: boolean;
  /** The command that this process was started by, without its arguments. */
  readonly program: readonly string[];
  /** Standard input to its end, at most 1 MiB. */
  readonly readInput: () => Promise<string>;
}

export type Register = (program: Command, io: Io) => void;

/** Collects an option that may be given several times: `.option('--tag <tag>', 'a tag', collect, [])`. */
export function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

/** Turns a strict parser into one for a repeatable option; its error names the grammar. */
export function collectParsed<T>(parse: (text: string) => T): (value: string, previous: readonly T[]) => T[] {
  return (value, previous) => [...previous, parse(value)];
}

/** Parses an option that is a whole number within bounds. Throws `usage-invalid`. */
export function wholeNumber(name: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    throw new WarrenError('usage-invalid', `${name} must be a whole number from ${min} to ${max}`);
  };
}

export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5;

const exitCodes: Partial<Record<ErrorCode, ExitCode>> = {
  'usage-invalid': 2,
  'config-invalid': 2,
  'request-invalid': 2,
  'address-invalid': 2,
  'cidr-invalid': 2,
  'endpoint-invalid': 2,
  'name-invalid': 2,
  'not-found': 3,
  'host-removed': 3,
  'attachment-target-missing': 3,
  'token-invalid': 4,
  unauthenticated: 4,
  'certificate-invalid': 4,
  forbidden: 4,
  'host-pending': 4,
  'host-disabled': 4,
  'privilege-missing': 4,
  unreachable: 5,
  timeout: 5,
  draining: 5,
  'server-untrusted': 5,
  'agent-not-running': 5,
};

/** 1 failed, 2 usage, 3 not found, 4 denied, 5 unreachable. */
export function exitCodeOf(error: WarrenError): ExitCode {
  return exitCodes[error.code] ?? 1;
}

/** The last question before something is lost. */
import { createInterface } from 'node:readline/promises';
import { WarrenError } from '../../shared/errors.ts';
import type { Io } from '../command.ts';

/** Asks where somebody sits at a terminal; a script meant what it said. */
export async function confirm(question: string, isAgreed: boolean | undefined, io: Io): Promise<void> {
  if (isAgreed === true || !io.isTerminal) return;
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await reader.question(`${question} [y/N] `);
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    reader.close();
  }
  throw new WarrenError('usage-invalid', 'nothing was changed; answer y, or give --yes');
}

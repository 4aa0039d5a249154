/** Networks of the engine that joined the mesh by command: their names, kept over restarts. */
import { z } from 'zod';
import { WarrenError } from '../../shared/errors.ts';
import type { Choices } from './joined.ts';

const savedSchema = z.strictObject({ format: z.literal(1), networks: z.array(z.string().max(128)).max(64) });

export interface ChoiceBook extends Choices {
  /** Both are in the file before they are in memory; false where nothing changed. */
  add(name: string): Promise<boolean>;
  remove(name: string): Promise<boolean>;
}

/** Throws `state-corrupt` when `saved` cannot be read. */
export function openChoices(saved: string | undefined, save: (json: string) => Promise<void>): ChoiceBook {
  let names = readSaved(saved);
  const commit = async (changed: readonly string[]): Promise<boolean> => {
    await save(`${JSON.stringify({ format: 1, networks: changed })}\n`);
    names = changed;
    return true;
  };
  return {
    list: () => names,
    add: async (name) => !names.includes(name) && commit([...names, name].slice(0, 64)),
    remove: async (name) => names.includes(name) && commit(names.filter((one) => one !== name)),
  };
}

function readSaved(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  try {
    return savedSchema.parse(JSON.parse(text)).networks;
  } catch (cause) {
    throw new WarrenError('state-corrupt', 'the saved list of engine networks is damaged; advertise them again', {
      cause,
    });
  }
}

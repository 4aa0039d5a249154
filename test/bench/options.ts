/** The bench's command line. */
import { parseArgs } from 'node:util';
import { WarrenError } from '../../shared/errors.ts';

export const sectionNames = ['data', 'relay', 'control', 'agent'] as const;
export type SectionName = (typeof sectionNames)[number];

export interface Options {
  readonly sections: readonly SectionName[];
  /** Fewer rounds and smaller meshes: shows that the bench works, not what Warren does. */
  readonly isQuick: boolean;
  readonly isJson: boolean;
}

export const usage = 'npm run bench [-- --json] [-- --quick] [-- --only data|relay|control|agent[,...]]';

/** Throws `usage-invalid`. */
export function readOptions(args: readonly string[]): Options {
  const { only, quick, json } = parse(args);
  const sections = only === undefined ? sectionNames : only.split(',').map(sectionNamed);
  return { sections, isQuick: quick, isJson: json };
}

function parse(args: readonly string[]): { only: string | undefined; quick: boolean; json: boolean } {
  try {
    const options = {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    } as const;
    const { values } = parseArgs({ args: [...args], options });
    return { only: values.only, quick: values.quick, json: values.json };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'it cannot be read';
    throw new WarrenError('usage-invalid', `${why}; use ${usage}`, { cause });
  }
}

function sectionNamed(name: string): SectionName {
  const found = sectionNames.find((section) => section === name);
  if (found !== undefined) return found;
  throw new WarrenError('usage-invalid', `there is no section '${name}'; use ${usage}`);
}

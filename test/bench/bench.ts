/**
 * `npm run bench`: measures the budgets of the design as ratios in one run. Knows which sections there are and how their
 * results are shown; what is measured stands in `data/`, `relay/`, `control/` and `agent/`. Must not judge anything by itself, and
 * leaves nothing behind: no process, no namespace, no file.
 */
import { asWarrenError } from '../../shared/errors.ts';
import { beginRun } from '../support/lab-cleanup.ts';
import { benchAgent } from './agent/agent.ts';
import type { BenchContext } from './context.ts';
import { benchControl } from './control/control.ts';
import { benchData } from './data/data.ts';
import type { SectionResult } from './figures.ts';
import { benchRelay } from './relay/relay.ts';
import { type Options, type SectionName, readOptions } from './options.ts';
import { reportText } from './report.ts';

const sections: Readonly<Record<SectionName, (context: BenchContext) => Promise<SectionResult>>> = {
  data: benchData,
  relay: benchRelay,
  control: benchControl,
  agent: benchAgent,
};

const startedAt = performance.now();

function tell(text: string): void {
  process.stderr.write(`bench ${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${text}\n`);
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  const results: SectionResult[] = [];
  let hasFailed = false;
  for (const name of options.sections) {
    try {
      tell(`section ${name}`);
      results.push(await runSection(name, options));
    } catch (error) {
      hasFailed = true;
      tell(`section ${name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }
  const text = options.isJson
    ? JSON.stringify({ isQuick: options.isQuick, node: process.version, results }, undefined, 2)
    : reportText(results);
  process.stdout.write(`${text}\n`);
  return hasFailed ? 1 : 0;
}

/** Each section is a run of its own: what one leaves running would be in the next one's figures. */
async function runSection(name: SectionName, { isQuick }: Options): Promise<SectionResult> {
  const run = beginRun();
  try {
    return await sections[name]({ isQuick, run, tell });
  } finally {
    run.end();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bench: ${asWarrenError(error).message}\n`);
  process.exitCode = 2;
}

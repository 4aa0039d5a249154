/**
 * `npm run demo`: a whole mesh on this machine, shown step by step. `-- --once` ends by itself; `--json` prints the facts
 * on stdout and everything else on stderr. Exits 0 only when all held. Nothing stays behind, on Ctrl-C neither.
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { type Lab, openLab } from '../support/lab.ts';
import { type Display, createDisplay } from './display.ts';
import { problemsIn } from './facts.ts';
import { showReport, showStatus, showWaysIn } from './report.ts';
import { tellStory } from './script.ts';

const { values: options } = parseArgs({
  options: { once: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});
const display = createDisplay(options.json ? process.stderr : process.stdout, process.env);

process.exitCode = await main();

async function main(): Promise<number> {
  let lab: Lab | undefined;
  try {
    lab = await open();
    const facts = await tellStory(lab, display);
    const problems = problemsIn(facts);
    showReport(facts, display);
    await showStatus(lab.hosts, display);
    if (options.json) process.stdout.write(`${JSON.stringify({ held: problems.length === 0, problems, ...facts })}\n`);
    if (!options.once) await stayUp(lab, display);
    return problems.length === 0 ? 0 : 1;
  } catch (error) {
    display.text(`\n${display.paint('red', error instanceof Error ? error.message : String(error))}`);
    return 1;
  } finally {
    lab?.close();
  }
}

async function open(): Promise<Lab> {
  display.heading('Warren: one machine plays three hosts, a server and the network between them');
  return display.step(
    'namespaces for the network and the server; warren server, with its database beside it',
    openLab,
    (lab) => `answers at ${lab.server.url}`,
  );
}

async function stayUp(lab: Lab, on: Display): Promise<void> {
  showWaysIn(lab.hosts, lab.dir, on);
  // From here on Ctrl-C is the ordinary end and not a failure; a second one does not cut the cleaning short.
  process.removeAllListeners('SIGINT');
  await once(process, 'SIGINT');
  process.on('SIGINT', () => undefined);
  on.text('\ncleaning up');
}

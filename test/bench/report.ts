/** What people read: verdicts first, then how it was measured, then every figure. Pure. */
import { formatTable } from '../../cli/table.ts';
import { type SectionResult, summary } from './figures.ts';

const style = { isColored: false, width: undefined };

export function reportText(results: readonly SectionResult[]): string {
  return results.map(sectionText).join('\n');
}

function sectionText({ section, verdicts, figures, method }: SectionResult): string {
  const budgets = formatTable(
    {
      columns: ['budget', 'limit', 'measured', 'verdict', 'note'],
      rows: verdicts.map((one) => [one.budget, one.limit, one.measured, one.outcome, one.note]),
    },
    style,
  );
  const all = formatTable(
    {
      columns: ['figure', 'median [min-max]', 'n', 'note'],
      rows: figures.map((one) => [one.name, summary(one), one.samples.length, one.note]),
    },
    style,
  );
  return [`== ${section}`, budgets, ...method.map((line) => `- ${line}`), '', all].join('\n');
}

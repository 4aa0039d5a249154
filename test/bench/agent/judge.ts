/** Reads figures and verdicts off what the agent's processes measured. Pure. */
import {
  type Figure,
  type SectionResult,
  type Verdict,
  atMost,
  figure,
  largest,
  median,
  smallest,
} from '../figures.ts';
import type { Reconciled } from './agent.ts';

export function judgeAgent(reconciled: readonly Reconciled[]): SectionResult {
  return {
    section: 'agent',
    figures: reconciled.flatMap(reconcileFigures),
    verdicts: [...reconcileVerdicts(reconciled)],
    method: [
      'fake kernel: the reconciler over a host in memory, so what is timed is the agent alone; real kernel: wireguard-go, ip and nft in a network namespace.',
      'One change is a host that joins, leaves, replaces its key, or gets a subnet; commands are counted from the new map to its being in the kernel.',
    ],
  };
}

function reconcileVerdicts(reconciled: readonly Reconciled[]): Verdict[] {
  const planned = reconciled.find((one) => one.kernel === 'fake' && one.peers === 1000);
  const counts = reconciled.filter((one) => one.kernel === 'real').map(commandsOf);
  const most = largest(counts.flat());
  const grows = counts.some((list, i) => list.some((count, j) => count !== counts[0]?.[j] && i > 0));
  return [
    atMost(
      'one peer changed among 1,000: plan time',
      20,
      planned === undefined ? NaN : median(planned.planMs),
      'ms',
      planned === undefined ? undefined : `n = ${planned.planMs.length}, worst ${largest(planned.planMs).toFixed(1)}`,
    ),
    {
      budget: 'one peer changed: external commands',
      limit: 'constant',
      measured: `${smallest(counts.flat())}-${most} at any size`,
      outcome: grows ? 'missed' : 'met',
      note: `by number of peers: ${reconciled
        .filter((one) => one.kernel === 'real')
        .map((one) => `${one.peers}: ${commandsOf(one).join(' ')}`)
        .join('; ')}`,
    },
  ];
}

/** The most commands of each kind of change, in one order. */
function commandsOf(one: Reconciled): number[] {
  return kindsOf(one).map((kind) =>
    largest(one.changes.filter(({ change }) => change === kind).map(({ commands }) => commands)),
  );
}

const kindsOf = (one: Reconciled): string[] => [...new Set(one.changes.map(({ change }) => change))];

function reconcileFigures(one: Reconciled): Figure[] {
  const name = (what: string): string => `agent/${one.kernel}/${one.peers} peers/${what}`;
  const failures = one.changes.flatMap((change) => change.failures);
  return [
    figure(name('whole map from nothing'), 'ms', [one.fullMs], `${one.fullCommands} commands`),
    figure(
      name('plan after one change'),
      'ms',
      one.planMs,
      one.stepsWhenIdle === 0 ? undefined : `${one.stepsWhenIdle} steps although nothing changed`,
    ),
    ...kindsOf(one).map((kind) => {
      const seen = one.changes.filter(({ change }) => change === kind);
      const commands = [...new Set(seen.map((change) => change.commands))].join(' or ');
      const note =
        failures.length === 0 ? `${commands} commands` : `${commands} commands; failed: ${failures[0] ?? ''}`;
      return figure(
        name(kind),
        'ms',
        seen.map((change) => change.ms),
        note,
      );
    }),
  ];
}

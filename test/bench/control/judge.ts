/** Reads figures and verdicts off the stages. Pure. */
import { type Figure, type SectionResult, type Verdict, atMost, figure, largest, median } from '../figures.ts';
import type { Change } from './change.ts';
import type { Growth } from './fleet.ts';
import type { Stage } from './stage.ts';

export function judgeControl(stages: readonly Stage[], growths: readonly Growth[]): SectionResult {
  return {
    section: 'control',
    figures: stages.flatMap((stage, i) => figuresOf(stage, growths[i])),
    verdicts: stages.flatMap(verdictsOf),
    method: [
      'Real: the server process, its database on disk, TLS 1.3 with client certificates issued at enrollment over the API, the feed protocol, enrollment.',
      'Simulated: agents are sockets in two processes that keep no map and send no periodic report; server and agents share one machine and loopback, so the server has about one core.',
      'One change: an operator renames a host (or a host reports another port, or that beside 20 containers one more runs); times are from the request to the complete delta at each agent, on one monotonic clock.',
      'Server CPU and event-loop lag (1 ms sampler) are read inside the server by a module that the bench loads ahead of it.',
      'A reconnect is: TLS handshake, feed request with a cursor, first complete answer; everybody at once, no jitter.',
    ],
  };
}

/** Budgets by number of agents; the smallest mesh is context. */
interface Budget {
  readonly toldP99: number;
  readonly toldLast?: number;
  readonly fullSeconds: number;
  readonly resumedSeconds?: number;
  readonly rssMib?: number;
}
const budgets: Readonly<Record<number, Budget>> = {
  1000: { toldP99: 100, fullSeconds: 4 },
  10_000: { toldP99: 500, toldLast: 1000, fullSeconds: 40, resumedSeconds: 20, rssMib: 768 },
};

function verdictsOf(stage: Stage): Verdict[] {
  const budget = budgets[stage.agents];
  if (budget === undefined) return [];
  const { renames, starts, full, resumed, rssFresh, rssWaves } = stage;
  const of = (what: string): string => `N = ${stage.agents}: ${what}`;
  const mid = (pick: (change: Change) => number): number => median(renames.map(pick));
  const worst = (pick: (change: Change) => number): string => worstOf(renames, pick);
  const refused = full.refused + resumed.reduce((sum, wave) => sum + wave.refused, 0);
  const verdicts = [
    atMost(
      of('server CPU before the first byte'),
      5,
      mid((one) => one.firstByteCpuMs),
      'ms',
      worst((one) => one.firstByteCpuMs),
    ),
    atMost(
      of('told, p99'),
      budget.toldP99,
      mid((one) => one.toldP99),
      'ms',
      worst((one) => one.toldP99),
    ),
    atMost(
      of('event-loop lag'),
      50,
      mid((one) => one.lagMaxMs),
      'ms',
      worst((one) => one.lagMaxMs),
    ),
    atMost(
      of('a container starts, told, p99'),
      budget.toldP99,
      median(starts.map((one) => one.toldP99)),
      'ms',
      worstOf(starts, (one) => one.toldP99),
    ),
    atMost(
      of('a container starts, event-loop lag'),
      50,
      median(starts.map((one) => one.lagMaxMs)),
      'ms',
      worstOf(starts, (one) => one.lagMaxMs),
    ),
    atMost(of('everybody back, full handshakes'), budget.fullSeconds, secondsOf(full.waits), 's'),
    atMost(of('refused while coming back'), 0, refused, '', full.reasons),
  ];
  if (budget.toldLast !== undefined) {
    verdicts.push(
      atMost(
        of('told, last'),
        budget.toldLast,
        mid((one) => one.toldLast),
        'ms',
        worst((one) => one.toldLast),
      ),
    );
  }
  if (budget.resumedSeconds !== undefined) {
    const back = resumed.map((wave) => secondsOf(wave.waits));
    verdicts.push(
      atMost(of('everybody back, resumed'), budget.resumedSeconds, median(back), 's', `n = ${back.length}`),
    );
  }
  if (budget.rssMib !== undefined) {
    verdicts.push(
      atMost(of('server RSS'), budget.rssMib, rssFresh, 'MiB', 'all connected, before any reconnect'),
      atMost(
        of('server RSS after reconnect waves'),
        budget.rssMib,
        rssWaves.at(-1) ?? NaN,
        'MiB',
        `${rssWaves.length} waves: ${rssWaves.map(Math.round).join(' ')}`,
      ),
    );
  }
  return verdicts;
}

const worstOf = (changes: readonly Change[], pick: (change: Change) => number): string =>
  `n = ${changes.length}, worst of them ${largest(changes.map(pick)).toFixed(1)}`;

const secondsOf = (waits: readonly number[]): number => largest(waits) / 1000;

function figuresOf(stage: Stage, growth: Growth | undefined): Figure[] {
  const { agents, first, full, resumed } = stage;
  const name = (what: string): string => `control/${agents}/${what}`;
  const perAgent = (cpuMs: number): number => cpuMs / agents;
  return [
    ...(growth === undefined
      ? []
      : [
          figure(
            name('enrollment rate'),
            'per s',
            [growth.count / growth.seconds],
            `${growth.count} hosts, a new TLS connection each, 16 at once`,
          ),
        ]),
    ...changeFigures(name('rename'), stage.renames),
    ...changeFigures(name('rename after waves'), stage.renamesLater),
    ...changeFigures(name('report of a new endpoint'), stage.moves),
    ...changeFigures(name('container starts'), stage.starts),
    figure(
      name('first full map, all at once'),
      's',
      [secondsOf(first.waits)],
      `${first.waits.length} agents, refused ${first.refused} ${first.reasons}`,
    ),
    figure(name('first full map, server CPU per agent'), 'ms', [stage.firstCpuMs / first.waits.length]),
    figure(name('first full map, bytes per agent'), 'B', [first.bytes / first.waits.length]),
    figure(name('back, full handshake'), 's', [secondsOf(full.waits)], `refused ${full.refused} ${full.reasons}`),
    figure(name('back, full handshake, per second'), '', [agents / secondsOf(full.waits)]),
    figure(name('back, full handshake, server CPU per agent'), 'ms', [perAgent(stage.fullCpuMs)]),
    figure(
      name('back, resumed'),
      's',
      resumed.map((wave) => secondsOf(wave.waits)),
      resumedNote(stage),
    ),
    figure(name('back, resumed, server CPU per agent'), 'ms', stage.resumedCpuMs.map(perAgent)),
    figure(name('RSS empty'), 'MiB', [stage.rssEmpty]),
    figure(name('RSS after first full maps'), 'MiB', [stage.rssFirst]),
    figure(name('RSS all connected'), 'MiB', [stage.rssFresh]),
    figure(name('RSS after each wave'), 'MiB', stage.rssWaves, stage.rssWaves.map(Math.round).join(' ')),
    figure(name('RSS after a forced collection'), 'MiB', [stage.rssCollected]),
    figure(name('idle server'), '% of a core', [stage.idlePercent]),
    figure(name('server CPU per report'), 'ms', [stage.reportCpuMs], `${Math.min(agents, 256)} peers in each`),
  ];
}

function resumedNote({ resumed }: Stage): string {
  const sum = (pick: (wave: Stage['resumed'][number]) => number): number =>
    resumed.reduce((total, wave) => total + pick(wave), 0);
  return `${sum((wave) => wave.resumed)} of ${sum((wave) => wave.waits.length)} resumed, refused ${sum((wave) => wave.refused)}`;
}

function changeFigures(name: string, changes: readonly Change[]): Figure[] {
  const of = (what: string, unit: string, pick: (change: Change) => number): Figure =>
    figure(`${name}/${what}`, unit, changes.map(pick));
  return [
    of('server CPU to first byte', 'ms', (one) => one.firstByteCpuMs),
    of('first byte', 'ms', (one) => one.firstByteMs),
    of('server CPU in all', 'ms', (one) => one.cpuMs),
    of('told p50', 'ms', (one) => one.toldP50),
    of('told p99', 'ms', (one) => one.toldP99),
    of('told last', 'ms', (one) => one.toldLast),
    of('event-loop lag max', 'ms', (one) => one.lagMaxMs),
    of('bytes per agent', 'B', (one) => one.bytesPerAgent),
  ];
}

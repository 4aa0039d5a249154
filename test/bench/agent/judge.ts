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
import type { Idle } from './idle.ts';
import type { MeshRun } from './mesh.ts';

export function judgeAgent(
  reconciled: readonly Reconciled[],
  idle: readonly Idle[],
  meshes: readonly MeshRun[],
): SectionResult {
  return {
    section: 'agent',
    figures: [...reconciled.flatMap(reconcileFigures), ...idle.flatMap(idleFigures), ...meshes.flatMap(meshFigures)],
    verdicts: [...reconcileVerdicts(reconciled), ...idle.flatMap(idleVerdicts), ...meshes.flatMap(meshVerdicts)],
    method: [
      'fake kernel: the reconciler over a host in memory, so what is timed is the agent alone; real kernel: wireguard-go, ip and nft in a network namespace.',
      'One change is a host that joins, leaves, replaces its key, or gets a subnet; commands are counted from the new map to its being in the kernel.',
      'Idle: a real agent and server and a real tunnel. 100 peers are 100 wireguard-go of their own that answer; of 1,000 peers only the entries are real, nobody answers their handshakes.',
      'Real hosts: N agents, N wireguard-go and the server share the cores of one machine, so each change has all of them work at once, which machines of their own would not.',
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

const idleName = (one: Idle): string => `${one.peers} ${one.isLive ? 'live ' : ''}peers, ${one.program}`;

function idleVerdicts(one: Idle): Verdict[] {
  if (one.peers === 1000)
    return [
      atMost(
        `idle agent, ${idleName(one)}: RSS`,
        80,
        toMegabytes(median(one.rssMib)),
        'MB',
        `n = ${one.rssMib.length}, most ${toMegabytes(largest(one.rssMib)).toFixed(1)}`,
      ),
    ];
  if (one.peers !== 100) return [];
  return [
    atMost(
      `idle agent, ${idleName(one)}: CPU`,
      0.5,
      one.withProgramsPercent,
      '% of a core',
      `the programs it runs included; without them ${one.agentPercent.toFixed(2)}, over ${one.rssMib.length} s`,
    ),
  ];
}

const toMegabytes = (mib: number): number => mib * 1.048_576;

function idleFigures(one: Idle): Figure[] {
  const name = (what: string): string => `agent/idle/${idleName(one)}/${what}`;
  return [
    figure(name('RSS'), 'MB', one.rssMib.map(toMegabytes)),
    figure(name('CPU'), '% of a core', [one.agentPercent]),
    figure(name('CPU with the programs it runs'), '% of a core', [one.withProgramsPercent]),
    figure(name('CPU of the tunnel daemon'), '% of a core', [one.tunnelPercent]),
  ];
}

function meshVerdicts({ hosts, inKernelMs, missing }: MeshRun): Verdict[] {
  if (hosts !== 50) return [];
  const note = `n = ${inKernelMs.length}, ${missing} did not come in 20 s; every agent of the mesh works on these cores at once`;
  return [atMost('a change is in the kernels of 50 real hosts, median', 100, median(inKernelMs), 'ms', note)];
}

function meshFigures({ hosts, inKernelMs, lastMs }: MeshRun): Figure[] {
  return [
    figure(`agent/mesh/${hosts} real hosts/in the kernel`, 'ms', inKernelMs),
    figure(`agent/mesh/${hosts} real hosts/in the last kernel`, 'ms', lastMs),
  ];
}

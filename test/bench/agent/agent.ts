/**
 * The agent: what one change costs it, how long a whole map takes, what it uses while nothing happens. On a fake host to
 * see its own share, and on real kernels with real wireguard-go.
 */
import { makeNamespace, runInside } from '../../support/namespace.ts';
import { makeUnderlay } from '../../support/underlay.ts';
import { type BenchContext, builtFile, interfaceOf, namespaceOf } from '../context.ts';
import type { SectionResult } from '../figures.ts';
import { type Idle, measureIdle } from './idle.ts';
import { judgeAgent } from './judge.ts';
import { measureMesh } from './mesh.ts';
import type { ReconcileFigures } from './reconcile-process.ts';

export type Kernel = 'fake' | 'real';

export interface Reconciled extends ReconcileFigures {
  readonly kernel: Kernel;
  readonly peers: number;
}

const idleCases = [
  { peers: 100, isLive: true },
  { peers: 1000, isLive: false },
];

export async function benchAgent(context: BenchContext): Promise<SectionResult> {
  const reconciled: Reconciled[] = [];
  for (const peers of context.isQuick ? [10, 100] : [100, 1000, 5000]) {
    for (const kernel of ['fake', 'real'] as const) reconciled.push(await reconcile(context, kernel, peers));
  }
  const idle: Idle[] = [];
  for (const one of context.isQuick ? [{ peers: 5, isLive: true }] : idleCases) {
    idle.push(await measureIdle(context, one));
  }
  return judgeAgent(reconciled, idle, await measureMesh(context, context.isQuick ? [2, 4] : [2, 10, 50]));
}

async function reconcile(context: BenchContext, kernel: Kernel, peers: number): Promise<Reconciled> {
  const namespace = namespaceOf(context, `${kernel}${peers}`);
  if (kernel === 'fake') await makeNamespace(namespace);
  else await (await makeUnderlay(namespaceOf(context, `router${peers}`))).connect(namespace, '10.0.0.11');
  const script = builtFile('test/bench/agent/reconcile-process.js');
  const argv = [process.execPath, script, kernel, String(peers), context.run.dir, interfaceOf(context, `r${peers}`)];
  const { stdout } = await runInside(namespace, argv, { timeoutSeconds: 300 });
  const figures = JSON.parse(stdout) as ReconcileFigures;
  context.tell(`${kernel} kernel, ${peers} peers: whole map in ${Math.round(figures.fullMs)} ms`);
  return { ...figures, kernel, peers };
}

/**
 * Peers, by `wg set` and `wg addconf`, which leave every peer that is not named alone (`setconf` and `syncconf` lose
 * packets, so they are never used). `addconf` empties the allowed IPs of a peer it names without any, so it is used
 * for whole peers only.
 */
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import type { StepFailure } from '../apply.ts';
import type { PeerSet, Step } from '../plan/step.ts';
import type { Argv, System } from '../system/run.ts';
import { peerArguments, peerSections } from '../system/wg.ts';

export type PeerStep = Extract<Step, { kind: 'peer-set' | 'peer-endpoint' | 'peer-remove' }>;

/** Up to this many peers travel as arguments, more of them as text on standard input. */
const mostByArguments = 8;
/** Peers per command where only arguments will do; keeps argv far below the kernel's limit of 2 MiB. */
const argumentsChunk = 500;
/** How many commands may go into finding the peers that make a batch fail. */
const searchBudget = 64;

export async function applyPeers(system: System, steps: readonly PeerStep[]): Promise<StepFailure[]> {
  const failures: StepFailure[] = [];
  const budget = { left: searchBudget };
  for (const chunk of chunksOf(steps)) failures.push(...(await applyChunk(system, chunk, budget)));
  return failures;
}

/** Neighbours that fit in one command: whole peers as text, anything else as arguments. */
function chunksOf(steps: readonly PeerStep[]): PeerStep[][] {
  const asText = steps.filter(isPlainSet);
  const isText = asText.length > mostByArguments;
  const byArguments = isText ? steps.filter((step) => !isPlainSet(step)) : steps;
  const chunks: PeerStep[][] = isText ? [asText] : [];
  for (let i = 0; i < byArguments.length; i += argumentsChunk) chunks.push(byArguments.slice(i, i + argumentsChunk));
  return chunks;
}

const isPlainSet = (step: PeerStep): step is PeerStep & PeerSet =>
  step.kind === 'peer-set' && step.isPresharedKeyCleared === undefined;

/** A batch that fails is halved until the peers at fault are alone. */
async function applyChunk(
  system: System,
  steps: readonly PeerStep[],
  budget: { left: number },
): Promise<StepFailure[]> {
  try {
    await applyTogether(system, steps);
    return [];
  } catch (error) {
    budget.left -= 1;
    if (steps.length === 1 || budget.left <= 0) return steps.map((step) => failureOf(step, error));
    const middle = steps.length >> 1;
    return [
      ...(await applyChunk(system, steps.slice(0, middle), budget)),
      ...(await applyChunk(system, steps.slice(middle), budget)),
    ];
  }
}

function failureOf(step: PeerStep, cause: unknown): StepFailure {
  const { code, message } = asWarrenError(cause);
  return { step, error: new WarrenError(code, `${step.kind} (${step.why}): ${message}`, { cause }) };
}

async function applyTogether(system: System, steps: readonly PeerStep[]): Promise<void> {
  const [first] = steps;
  if (first === undefined) return;
  const { interfaceName } = first;
  const sets = steps.filter(isPlainSet);
  if (sets.length === steps.length && sets.length > mostByArguments) {
    await system.run({
      argv: ['wg', 'addconf', interfaceName, '/dev/stdin'],
      input: peerSections(sets),
      timeoutMs: 60_000,
    });
    return;
  }
  const argv: Argv = ['wg', 'set', interfaceName, ...steps.flatMap(argumentsOf)];
  await system.run({ argv, timeoutMs: 60_000 });
}

function argumentsOf(step: PeerStep): string[] {
  switch (step.kind) {
    case 'peer-set':
      return peerArguments(step);
    case 'peer-endpoint':
      return ['peer', step.publicKey, 'endpoint', step.endpoint];
    case 'peer-remove':
      return ['peer', step.publicKey, 'remove'];
  }
}

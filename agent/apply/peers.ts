/**
 * Peers, by `wg set`, which leaves every peer that is not named alone (`setconf` and `syncconf` lose packets, so they are
 * never used). By arguments also where they are many: `wg addconf` opens a file, and the standard input that Node gives
 * to a program is a socket, which cannot be opened as `/dev/stdin`.
 */
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import type { StepFailure } from '../apply.ts';
import type { Step } from '../plan/step.ts';
import type { Argv, System } from '../system/run.ts';
import { addPrefixes, removePrefixes } from '../system/allowed-ips.ts';
import { peerArguments } from '../system/wg.ts';

export type PeerStep = Extract<Step, { kind: 'peer-set' | 'peer-endpoint' | 'peer-psk' | 'peer-remove' }>;

/** Peers per command; keeps argv far below the kernel's limit of 2 MiB. */
const peersPerCommand = 500;
/** How many commands may go into finding the peers that make a batch fail. */
const searchBudget = 64;

export async function applyPeers(system: System, steps: readonly PeerStep[]): Promise<StepFailure[]> {
  const failures: StepFailure[] = [];
  const budget = { left: searchBudget };
  const rest = await changeInPlace(system, steps);
  for (let i = 0; i < rest.length; i += peersPerCommand) {
    failures.push(...(await applyChunk(system, rest.slice(i, i + peersPerCommand), budget)));
  }
  return failures;
}

/** Changes lists of peers that are there without a gap in them; answers what is left for `wg set`. */
async function changeInPlace(system: System, steps: readonly PeerStep[]): Promise<readonly PeerStep[]> {
  const changes = steps.flatMap((step) =>
    step.kind === 'peer-set' && step.change !== undefined ? [{ ...step, change: step.change }] : [],
  );
  const [first] = changes;
  if (first === undefined) return steps;
  const { interfaceName } = first;
  const adding = changes
    .filter(({ change }) => change.added.length > 0)
    .map(({ publicKey, change }) => ({ publicKey, prefixes: change.added }));
  const removed = changes.flatMap(({ change }) => change.removed);
  try {
    if (adding.length > 0) await addPrefixes(system, interfaceName, adding);
    if (removed.length > 0) await removePrefixes(system, interfaceName, removed);
  } catch {
    // A kernel with an older `wg` knows no way to add; there the whole list is set anew, a matter of microseconds.
    return steps;
  }
  return steps.filter((step) => step.kind !== 'peer-set' || step.change === undefined);
}

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
  const argv: Argv = ['wg', 'set', interfaceName, ...steps.flatMap(argumentsOf)];
  await system.run({ argv, timeoutMs: 60_000 });
}

function argumentsOf(step: PeerStep): string[] {
  switch (step.kind) {
    case 'peer-set':
      return peerArguments(step);
    case 'peer-endpoint':
      return ['peer', step.publicKey, 'endpoint', step.endpoint];
    case 'peer-psk':
      return ['peer', step.publicKey, 'preshared-key', step.presharedKey?.file ?? '/dev/null'];
    case 'peer-remove':
      return ['peer', step.publicKey, 'remove'];
  }
}

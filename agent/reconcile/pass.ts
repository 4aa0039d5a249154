/** One pass: observe, plan, apply, and what came of it. Keeps nothing itself. */
import type { Logger } from 'pino';
import type { Failure } from '../../shared/api/report.ts';
import { asWarrenError } from '../../shared/errors.ts';
import type { Cursor } from '../../shared/protocol.ts';
import { apply } from '../apply.ts';
import type { Beside } from '../beside.ts';
import type { Fault } from '../failures.ts';
import { type Wish, desire } from '../plan/desire.ts';
import type { Desired } from '../plan/desired.ts';
import type { Observed } from '../plan/observed.ts';
import { plan } from '../plan/plan.ts';
import { type Step, stepSubject } from '../plan/step.ts';
import type { System } from '../system/run.ts';
import type { KernelView } from './kernel-view.ts';

/** What a pass works on; asked for anew by each. */
export interface Inputs extends Wish {
  /** What is reached when the map is in the kernel; undefined where no map came from the server. */
  readonly cursor: Cursor | undefined;
}

/** What a pass ended with. */
export interface Reached {
  /** The newest map that is in the kernel but for `failures`. */
  readonly applied: Cursor | undefined;
  /** Undefined where not even looking worked. */
  readonly observed: Observed | undefined;
  readonly desired: Desired | undefined;
  readonly failures: readonly Failure[];
}

export interface PassTools {
  readonly system: System;
  readonly log: Logger;
  readonly beside: Beside;
  /** Undefined while there is nothing to work on. */
  readonly inputs: () => Promise<Inputs | undefined>;
  /** Called before steps are applied, for what must be known to undo them. */
  readonly onSteps: (steps: readonly Step[]) => Promise<void>;
}

export interface Outcome {
  readonly faults: readonly Fault[];
  readonly applied: Cursor | undefined;
  readonly desired: Desired | undefined;
  /** True when steps were tried; our own changes come back as kernel events. */
  readonly isChanged: boolean;
}

/** Failures that leave the map out of the kernel altogether. */
const basicKinds: ReadonlySet<string> = new Set(['observe', 'wireguard-create', 'wireguard-set', 'interface-refused']);

/** Undefined where there is nothing to work on. Never throws: what went wrong is a fault. */
export async function onePass(tools: PassTools, view: KernelView, before: Reached): Promise<Outcome | undefined> {
  try {
    const inputs = await tools.inputs();
    if (inputs === undefined) return undefined;
    const { faults, desired, isChanged } = await converge(tools, view, inputs);
    const isApplied = !faults.some((fault) => basicKinds.has(fault.kind));
    return { faults, desired, isChanged, applied: isApplied ? inputs.cursor : before.applied };
  } catch (error) {
    view.distrust();
    tools.log.error({ err: error }, 'pass failed');
    const fault = { kind: 'observe', subject: 'host', why: asWarrenError(error).message };
    return { faults: [fault], desired: before.desired, isChanged: false, applied: before.applied };
  }
}

async function converge(
  { system, log, beside, onSteps }: PassTools,
  view: KernelView,
  inputs: Inputs,
): Promise<{ faults: Fault[]; desired: Desired; isChanged: boolean }> {
  const { map, settings, attachments } = inputs;
  const observed = await view.observed(settings, attachments);
  const { desired, refusals } = desire(inputs, observed);
  const { steps, refusals: leftAlone } = plan(desired, observed, view.endpointMemory());
  const refused: Fault[] = [...refusals, ...leftAlone];
  if (steps.length === 0) return { faults: refused, desired, isChanged: false };
  view.distrust();
  await onSteps(steps);
  const { applied, failures } = await apply(system, settings, steps);
  if (steps.some(({ kind }) => kind.startsWith('resolver-'))) beside.forgetResolver();
  if (steps.some(({ kind }) => kind.startsWith('firewalld-'))) beside.forgetFirewalld();
  log.info({ revision: map.revision, steps: applied.length, failed: failures.length }, 'applied');
  for (const step of applied.slice(0, 50))
    log.debug({ kind: step.kind, subject: stepSubject(step), why: step.why }, 'step');
  return { faults: [...refused, ...failures.map(faultOf)], desired, isChanged: true };
}

function faultOf({ step, error }: { step: Step; error: unknown }): Fault {
  return { kind: step.kind, subject: stepSubject(step), why: asWarrenError(error).message };
}

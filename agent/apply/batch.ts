/** Links, addresses and routes: any number of steps in one `ip -batch`. */
import { WarrenError, asWarrenError } from '../../shared/errors.ts';
import type { StepFailure } from '../apply.ts';
import { routeProtocol } from '../plan/settings.ts';
import { type LinkSet, type Step, stepSubject } from '../plan/step.ts';
import { runBatch } from '../system/ip.ts';
import type { System } from '../system/run.ts';
import { segmentBridgeLines, vxlanLines } from './bridged.ts';
import { stableMac } from './stable-mac.ts';

export type BatchStep = Extract<
  Step,
  {
    kind:
      | 'bridge-create'
      | 'segment-bridge-create'
      | 'vxlan-create'
      | 'link-set'
      | 'link-remove'
      | 'address-add'
      | 'address-remove'
      | 'route-set'
      | 'route-remove';
  }
>;

export async function applyBatch(system: System, steps: readonly BatchStep[]): Promise<StepFailure[]> {
  const lines: string[] = [];
  const owners: BatchStep[] = [];
  for (const step of steps) {
    for (const line of batchLines(step)) {
      lines.push(line);
      owners.push(step);
    }
  }
  try {
    const { failures } = await runBatch(system, lines);
    return namedFailures(failures, owners);
  } catch (error) {
    return steps.map((step) => ({ step, error: asWarrenError(error) }));
  }
}

/** The first thing ip said about each step. */
function namedFailures(failures: ReadonlyMap<number, string>, owners: readonly BatchStep[]): StepFailure[] {
  const named = new Map<BatchStep, StepFailure>();
  for (const [line, said] of failures) {
    const step = owners[line];
    if (step === undefined || named.has(step)) continue;
    const error = new WarrenError(
      'command-failed',
      `${step.kind} ${stepSubject(step)} (${step.why}): ip said: ${said}`,
    );
    named.set(step, { step, error });
  }
  return [...named.values()];
}

function batchLines(step: BatchStep): string[] {
  switch (step.kind) {
    case 'bridge-create':
      return bridgeLines(step.interfaceName, step.mark, step.mtu);
    case 'segment-bridge-create':
      return segmentBridgeLines(step);
    case 'vxlan-create':
      return vxlanLines(step);
    case 'link-set':
      return linkLines(step);
    case 'link-remove':
      return [`link del dev ${step.interfaceName}`];
    case 'address-add':
      return [`addr add ${step.address} dev ${step.interfaceName}${withoutDad(step.address)}`];
    case 'address-remove':
      return [`addr del ${step.address} dev ${step.interfaceName}`];
    case 'route-set': {
      const source = step.source === undefined ? '' : ` src ${step.source}`;
      const verb = step.isReplacement ? 'replace' : 'add';
      const mtu = step.mtu === undefined ? '' : ` mtu ${step.mtu}`;
      return [`route ${verb} ${step.prefix} dev ${step.device} proto ${routeProtocol}${source}${mtu}`];
    }
    case 'route-remove': {
      const metric = step.metric === undefined ? '' : ` metric ${step.metric}`;
      return [`route del ${step.prefix} dev ${step.device} proto ${routeProtocol}${metric}`];
    }
  }
}

/** A bridge takes the lowest address of its ports, and changes it as they come and go, unless it was given one. */
function bridgeLines(name: string, mark: string, mtu: number): string[] {
  return [
    `link add dev ${name} address ${stableMac(mark, name)} mtu ${mtu} type bridge`,
    `link set dev ${name} alias ${mark}`,
    `link set dev ${name} up`,
  ];
}

export function linkLines(step: LinkSet): string[] {
  const name = step.interfaceName;
  return [
    ...(step.mark === undefined ? [] : [`link set dev ${name} alias ${step.mark}`]),
    ...(step.master === undefined ? [] : [`link set dev ${name} master ${step.master}`]),
    ...(step.mtu === undefined ? [] : [`link set dev ${name} mtu ${step.mtu}`]),
    ...(step.isUp === undefined ? [] : [`link set dev ${name} up`]),
  ];
}

/** Addresses that the mesh hands out once need no duplicate detection, which would delay them for a second. */
export const withoutDad = (address: string): string => (address.includes(':') ? ' nodad' : '');

/**
 * Carries out steps, in order, as few commands as they fit in. A step that fails is reported and does not stop the
 * others, except those that need the very link that could not be made. It decides nothing and touches nothing else.
 */
import { crashPoint } from '../shared/crash-points.ts';
import { type WarrenError, asWarrenError } from '../shared/errors.ts';
import { type AttachmentStep, applyAttachments } from './apply/attachments.ts';
import { type EntryStep, applyEntries } from './apply/bridged.ts';
import { type BatchStep, applyBatch } from './apply/batch.ts';
import { type PeerStep, applyPeers } from './apply/peers.ts';
import type { HostSettings } from './plan/settings.ts';
import { type Step, stepSubject } from './plan/step.ts';
import { createWireguard } from './system/backend.ts';
import { bindFirewalld, setFirewalld } from './system/firewalld.ts';
import { restoreIptables } from './system/iptables.ts';
import { changeElements, removeTable, setTable } from './system/nft.ts';
import { clearResolver, setResolver } from './system/resolved.ts';
import type { System } from './system/run.ts';

export { type Removal, removeAll } from './apply/remove.ts';

export interface StepFailure {
  readonly step: Step;
  readonly error: WarrenError;
}

export interface ApplyResult {
  readonly applied: readonly Step[];
  readonly failures: readonly StepFailure[];
  /** Path -> value before, for each kernel switch that was changed; `removeAll` takes them all. */
  readonly previousSysctls: Readonly<Record<string, string>>;
}

export async function apply(system: System, settings: HostSettings, steps: readonly Step[]): Promise<ApplyResult> {
  const failures: StepFailure[] = [];
  const missing = new Set<string>();
  const attempted: Step[] = [];
  crashPoint('apply.before-steps');
  for (const group of groupSteps(steps)) {
    const possible = group.filter((step) => !needsAny(step, missing));
    if (possible.length === 0) continue;
    attempted.push(...possible);
    for (const failure of await applyGroup(system, settings, possible)) {
      failures.push(failure);
      const subject = stepSubject(failure.step);
      if (creations.has(failure.step.kind)) missing.add(subject);
      if (failure.step.kind === 'bridge-vlans') missing.add(vlansOf(subject));
    }
    crashPoint('apply.between-steps');
  }
  crashPoint('apply.after-steps');
  const failed = new Set(failures.map((failure) => failure.step));
  const applied = attempted.filter((step) => !failed.has(step));
  const previous = applied.flatMap((step) => (step.kind === 'sysctl-set' ? [[step.path, step.previous] as const] : []));
  return { applied, failures, previousSysctls: Object.fromEntries(previous) };
}

type Executor = 'sysctl' | 'table' | 'bus' | 'tunnel' | 'wireguard' | 'batch' | 'peers' | 'attachments' | 'entries';

const executors: Readonly<Record<Step['kind'], Executor>> = {
  'sysctl-set': 'sysctl',
  'table-set': 'table',
  'elements-set': 'table',
  'table-remove': 'table',
  'iptables-set': 'table',
  'firewalld-set': 'bus',
  'firewalld-bind': 'bus',
  'resolver-set': 'bus',
  'resolver-clear': 'bus',
  'wireguard-create': 'tunnel',
  'wireguard-set': 'wireguard',
  'bridge-create': 'batch',
  'segment-bridge-create': 'batch',
  'vxlan-create': 'batch',
  'fdb-append': 'entries',
  'fdb-remove': 'entries',
  'link-set': 'batch',
  'link-remove': 'batch',
  'address-add': 'batch',
  'address-remove': 'batch',
  'route-set': 'batch',
  'route-remove': 'batch',
  'peer-set': 'peers',
  'peer-endpoint': 'peers',
  'peer-psk': 'peers',
  'peer-remove': 'peers',
  'bridge-vlans': 'attachments',
  'port-vlan': 'attachments',
  'vlan-create': 'attachments',
  'dummy-create': 'attachments',
  'attachment-create': 'attachments',
  'attachment-set': 'attachments',
  'card-create': 'attachments',
  'card-remove': 'attachments',
  'card-move': 'attachments',
  'card-return': 'attachments',
  'card-settle': 'attachments',
};

/** Neighbours that one executor takes together; the order of steps is kept. */
function groupSteps(steps: readonly Step[]): Step[][] {
  const groups: Step[][] = [];
  for (const step of steps) {
    const last = groups.at(-1);
    if (last?.[0] !== undefined && executors[last[0].kind] === executors[step.kind]) last.push(step);
    else groups.push([step]);
  }
  return groups;
}

async function applyGroup(system: System, settings: HostSettings, group: readonly Step[]): Promise<StepFailure[]> {
  const [first] = group;
  switch (first === undefined ? 'batch' : executors[first.kind]) {
    case 'batch':
      return applyBatch(system, group as readonly BatchStep[]);
    case 'peers':
      return applyPeers(system, group as readonly PeerStep[]);
    case 'entries':
      return applyEntries(system, group as readonly EntryStep[]);
    case 'attachments':
      return applyAttachments(system, group as readonly AttachmentStep[]);
    case 'sysctl':
    case 'table':
    case 'bus':
    case 'tunnel':
    case 'wireguard':
      return applyOneByOne(system, settings, group);
  }
}

async function applyOneByOne(system: System, settings: HostSettings, group: readonly Step[]): Promise<StepFailure[]> {
  const failures: StepFailure[] = [];
  for (const step of group) {
    try {
      await applyOne(system, settings, step);
      crashPoint('apply.between-steps');
    } catch (error) {
      failures.push({ step, error: asWarrenError(error) });
    }
  }
  return failures;
}

async function applyOne(system: System, settings: HostSettings, step: Step): Promise<void> {
  if (step.kind === 'sysctl-set') await system.writeSysctl(step.path, step.value);
  if (step.kind === 'table-set') await setTable(system, step);
  if (step.kind === 'elements-set') await changeElements(system, step);
  if (step.kind === 'table-remove') await removeTable(system, step.name, step.family);
  if (step.kind === 'iptables-set') await restoreIptables(system, step.family, step.input);
  if (step.kind === 'firewalld-set') await setFirewalld(system, step);
  if (step.kind === 'firewalld-bind') await bindFirewalld(system, step.interfaceName, step.zone);
  if (step.kind === 'resolver-set') await setResolver(system, step);
  if (step.kind === 'resolver-clear') await clearResolver(system, step.index);
  if (step.kind === 'wireguard-create') await createWireguard(system, settings);
  if (step.kind === 'wireguard-set') {
    const key = step.isKeySet ? ['private-key', settings.privateKeyFile] : [];
    await system.run({
      argv: ['wg', 'set', step.interfaceName, 'listen-port', String(step.listenPort), ...key],
    });
  }
}

const creations: ReadonlySet<Step['kind']> = new Set([
  'wireguard-create',
  'bridge-create',
  'segment-bridge-create',
  'vxlan-create',
  'vlan-create',
]);

/** No name of a link. */
const vlansOf = (bridgeName: string): string => `${bridgeName} VLANs`;

function needsAny(step: Step, missing: ReadonlySet<string>): boolean {
  switch (step.kind) {
    case 'sysctl-set':
    case 'table-set':
    case 'elements-set':
    case 'table-remove':
    case 'iptables-set':
    case 'firewalld-set':
    case 'firewalld-bind':
    case 'resolver-set':
    case 'resolver-clear':
    case 'wireguard-create':
    case 'bridge-create':
    case 'segment-bridge-create':
    case 'link-remove':
    case 'attachment-set':
    case 'dummy-create':
    case 'vlan-create':
    case 'card-remove':
    case 'card-move':
    case 'card-return':
    case 'card-settle':
      return false;
    case 'attachment-create':
      return missing.has(step.bridgeName) || (step.vlan !== undefined && missing.has(vlansOf(step.bridgeName)));
    case 'card-create':
      return missing.has(step.card);
    case 'vxlan-create':
      return missing.has(step.device) || missing.has(step.bridgeName);
    case 'route-set':
    case 'route-remove':
      return missing.has(step.device);
    case 'wireguard-set':
    case 'bridge-vlans':
    case 'port-vlan':
    case 'fdb-append':
    case 'fdb-remove':
    case 'link-set':
    case 'address-add':
    case 'address-remove':
    case 'peer-set':
    case 'peer-endpoint':
    case 'peer-psk':
    case 'peer-remove':
      return missing.has(step.interfaceName);
  }
}

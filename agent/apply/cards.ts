/** Links on network cards, cards themselves, and dummies, into namespaces and out again. */
import { WarrenError } from '../../shared/errors.ts';
import { wholeInside } from '../plan/attachment-inside.ts';
import type { AttachmentSpec } from '../plan/settings.ts';
import type { Step } from '../plan/step.ts';
import { runBatch } from '../system/ip.ts';
import type { System } from '../system/run.ts';
import { runInside, runOrThrow } from './inside.ts';

export type CardStep = Extract<
  Step,
  { kind: 'card-create' | 'dummy-create' | 'card-remove' | 'card-move' | 'card-return' | 'card-settle' }
>;

export async function applyCard(system: System, step: CardStep): Promise<void> {
  switch (step.kind) {
    case 'card-create':
      return createChild(system, step);
    case 'dummy-create':
      return createDummy(system, step);
    case 'card-remove':
      return runOrThrow(system, [`link del dev ${step.spec.interfaceName}`], step.spec.netnsPath);
    case 'card-move':
      return moveCard(system, step);
    case 'card-return':
      return returnCard(system, step);
    case 'card-settle':
      return runOrThrow(system, settleLines(step.interfaceName, step.to));
  }
}

async function createChild(system: System, step: Extract<CardStep, { kind: 'card-create' }>): Promise<void> {
  const { spec, card, mode, mtu } = step;
  const mac = mode === 'macvlan' && spec.mac !== undefined ? ` address ${spec.mac}` : '';
  const type = mode === 'macvlan' ? 'macvlan mode bridge' : 'ipvlan mode l2';
  const said = await createInside(system, spec, { on: `link ${card} `, mac, type });
  if (said?.includes('Unknown device type') === true) {
    throw new WarrenError('command-failed', `this kernel has no ${mode}; load its module, or choose the other --mode`);
  }
  if (said !== undefined) throw new WarrenError('command-failed', `no ${mode} link on ${card}: ip said: ${said}`);
  await finish(system, spec, mtu);
}

async function createDummy(system: System, step: Extract<CardStep, { kind: 'dummy-create' }>): Promise<void> {
  const { spec, mtu } = step;
  const mac = spec.mac === undefined ? '' : ` address ${spec.mac}`;
  const said = await createInside(system, spec, { on: '', mac, type: 'dummy' });
  if (said?.includes('Unknown device type') === true) {
    throw new WarrenError('command-failed', `this kernel has no dummy links; load its module, dummy`);
  }
  if (said !== undefined) throw new WarrenError('command-failed', `no dummy link: ip said: ${said}`);
  await finish(system, spec, mtu);
}

/**
 * What ip said, where it refused. Under a name of ours until it is inside: kernels like 6.1 refuse a new link whose name
 * the host has as well, also where it is made in another namespace, and many a host's card is called eth0.
 */
async function createInside(
  system: System,
  { id, interfaceName, netnsPath }: AttachmentSpec,
  { on, mac, type }: { on: string; mac: string; type: string },
): Promise<string | undefined> {
  const name = `wc${id}`;
  const takeAway = () => runBatch(system, [`link del dev ${name}`], netnsPath);
  const create = `link add ${on}name ${name}${mac} netns ${netnsPath} type ${type}`;
  let said = await tryLine(system, create);
  if (said?.includes('File exists') === true) {
    // One that a pass before this one left, because the agent died between the two lines.
    await takeAway();
    said = await tryLine(system, create);
  }
  if (said !== undefined) return said;
  const refused = await tryLine(system, `link set dev ${name} name ${interfaceName}`, netnsPath);
  if (refused !== undefined) await takeAway();
  return refused;
}

async function tryLine(system: System, line: string, netnsPath?: string): Promise<string | undefined> {
  const { failures } = await runBatch(system, [line], netnsPath);
  return failures.get(0);
}

/** One that could not be finished is taken away again, so that the next try starts from nothing. */
async function finish(system: System, spec: AttachmentSpec, mtu: number): Promise<void> {
  try {
    await runInside(system, wholeInside(spec, mtu));
  } catch (error) {
    await runBatch(system, [`link del dev ${spec.interfaceName}`], spec.netnsPath);
    throw error;
  }
}

/** Marked before it goes, so that it is found again wherever this ends. */
async function moveCard(system: System, step: Extract<CardStep, { kind: 'card-move' }>): Promise<void> {
  const { spec, card, alias, mtu } = step;
  await runOrThrow(system, [
    `link set dev ${card} alias ${alias}`,
    `link set dev ${card} down`,
    `link set dev ${card} netns ${spec.netnsPath}`,
  ]);
  const rename = card === spec.interfaceName ? [] : [`link set dev ${card} name ${spec.interfaceName}`];
  await runInside(system, wholeInside(spec, mtu), rename);
}

/** The kernel takes addresses and routes away with the move. */
async function returnCard(system: System, step: Extract<CardStep, { kind: 'card-return' }>): Promise<void> {
  const { spec, from, to } = step;
  const rename = from === to ? [] : [`link set dev ${from} name ${to}`];
  await runOrThrow(
    system,
    [`link set dev ${from} down`, ...rename, `link set dev ${to} netns ${process.pid}`],
    spec.netnsPath,
  );
  await runOrThrow(system, settleLines(to, to));
}

const settleLines = (name: string, to: string): string[] => [
  ...(name === to ? [] : [`link set dev ${name} down`, `link set dev ${name} name ${to}`]),
  `link set dev ${to} alias ""`,
];

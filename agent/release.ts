/**
 * What was attached is taken out of its namespaces where no agent runs that would: links on network cards and dummies
 * have no end on the host that could be removed there, and cards that were moved are to come back.
 */
import { asWarrenError } from '../shared/errors.ts';
import { apply } from './apply.ts';
import { type Attachment, type Ground, openAttachments } from './attach/attachments.ts';
import { createContainerProbe } from './attach/containers.ts';
import { createSlots } from './attach/slots.ts';
import { specsOf } from './attach/spec.ts';
import { namespaceProbe } from './attach/target.ts';
import { systemClock } from './clock.ts';
import { type AgentSettings, seedOf } from './config.ts';
import { askVersion } from './docker/api.ts';
import { createContainerBook } from './docker/container-book.ts';
import { createEngine } from './docker/engine.ts';
import type { ResolvedContainer } from './docker/room.ts';
import { emptyMap } from './membership.ts';
import { observe } from './observe.ts';
import { planAttachments } from './plan/attachments.ts';
import { desire } from './plan/desire.ts';
import { noLocalFacts } from './plan/local.ts';
import type { HostSettings } from './plan/settings.ts';
import type { State } from './state.ts';
import type { System } from './system/run.ts';

const noGround: Ground = { leases: [], isBridged: () => false, dhcpLease: () => undefined };

/** Answers what stays, and why. */
export async function releaseAttachments(
  agent: AgentSettings,
  system: System,
  settings: HostSettings,
  state: State,
): Promise<string[]> {
  try {
    const attachments = specsOf(await findLeaving(agent, state), noGround, seedOf(agent));
    const observed = await observe(system, settings, attachments, systemClock.now());
    const { desired } = desire({ map: emptyMap, settings, attachments, local: noLocalFacts }, observed);
    const { removes } = planAttachments(desired, observed, false);
    const { failures } = await apply(system, settings, removes);
    return failures.map(({ error }) => `an attachment stays (${error.message}); remove it by hand`);
  } catch (error) {
    return [`attachments on network cards stay (${asWarrenError(error).message}); remove them by hand`];
  }
}

/** With the places where they are now. */
async function findLeaving(agent: AgentSettings, state: State): Promise<readonly Attachment[]> {
  const probe = createContainerProbe(namespaceProbe, (name) => resolveContainer(agent.dockerSocket, name));
  const attachments = openAttachments({
    clock: systemClock,
    probe,
    slots: createSlots(),
    ground: () => noGround,
    saved: await state.readAttachments(),
    save: (json) => state.writeAttachments(json),
  });
  await attachments.detachAll();
  await probe.refresh(attachments.list().map(({ target }) => target));
  await attachments.refresh();
  return attachments.list();
}

/** An engine that does not answer has no containers that could be looked into. */
async function resolveContainer(socketPath: string | undefined, name: string): Promise<ResolvedContainer> {
  const { ApiVersion } = await askVersion(createEngine(socketPath ?? '', undefined));
  const book = createContainerBook({ own: () => [], onWorkloads: () => undefined });
  return book.resolve(createEngine(socketPath ?? '', ApiVersion), name);
}

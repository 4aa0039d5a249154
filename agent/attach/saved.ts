/** The book of attachments as it is kept in the state. Format 1 had targets, slots and interface names only. */
import { z } from 'zod';
import { timeSchema } from '../../shared/api/route.ts';
import { WarrenError } from '../../shared/errors.ts';
import { interfaceNameSchema } from '../../shared/names.ts';
import type { Attachment } from './attachments.ts';
import { attachRequestSchema } from './request.ts';
import { parseTarget } from './target.ts';

const startSchema = {
  /** Of a process: when it started, in clock ticks since boot. */
  startedAt: z.string().nullable(),
  attachedAt: timeSchema,
};

const savedSchema = z.discriminatedUnion('format', [
  z.strictObject({
    format: z.literal(1),
    nextSlot: z.int().min(0),
    attachments: z.array(
      z.strictObject({
        target: z.string().max(300),
        slot: z.int().min(2),
        interfaceName: interfaceNameSchema,
        ...startSchema,
      }),
    ),
  }),
  z.strictObject({
    format: z.literal(2),
    nextSlot: z.int().min(0),
    attachments: z.array(
      z.strictObject({
        request: attachRequestSchema,
        /** Null where it has no address of the lease, or the one it named. */
        slot: z.int().min(2).nullable(),
        containerId: z.string().max(128).nullable(),
        linkKey: z.string().max(320),
        isLeaving: z.boolean(),
        ...startSchema,
      }),
    ),
  }),
]);

export interface SavedBook {
  readonly nextSlot: number;
  readonly attachments: Attachment[];
}

/** Throws `state-corrupt` when `text` cannot be read. */
export function readSaved(text: string | undefined): SavedBook {
  if (text === undefined) return { nextSlot: 0, attachments: [] };
  try {
    const saved = savedSchema.parse(JSON.parse(text));
    const { nextSlot } = saved;
    if (saved.format === 2) return { nextSlot, attachments: saved.attachments.map(read) };
    const attachments = saved.attachments.map(({ target, slot, interfaceName, startedAt, attachedAt }) => {
      const request = attachRequestSchema.parse({ target, interface: interfaceName });
      return read({ request, slot, startedAt, attachedAt, linkKey: target, containerId: null, isLeaving: false });
    });
    return { nextSlot, attachments };
  } catch (cause) {
    throw new WarrenError('state-corrupt', 'the saved attachments are damaged; attach the containers again', { cause });
  }
}

export function formatSaved(all: Iterable<Attachment>, nextSlot: number): string {
  const attachments = [...all].map(({ request, slot, startedAt, attachedAt, containerId, linkKey, isLeaving }) => ({
    request,
    linkKey,
    slot: slot ?? null,
    containerId: containerId ?? null,
    isLeaving,
    startedAt: startedAt ?? null,
    attachedAt,
  }));
  return `${JSON.stringify({ format: 2, nextSlot, attachments })}\n`;
}

type SavedAttachment = Extract<z.output<typeof savedSchema>, { format: 2 }>['attachments'][number];

function read(saved: SavedAttachment): Attachment {
  const { request, slot, startedAt, attachedAt, containerId, linkKey, isLeaving } = saved;
  const target = parseTarget(request.target);
  return {
    request,
    // Another container of that name would be another one.
    target: target.kind === 'docker' && containerId !== null ? { ...target, container: containerId } : target,
    slot: slot ?? undefined,
    startedAt: startedAt ?? undefined,
    containerId: containerId ?? undefined,
    attachedAt,
    linkKey,
    isLeaving,
    place: undefined,
  };
}

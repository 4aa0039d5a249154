/** Targets that an attachment may name, as they come and go. */
import type { NamespaceProbe } from '../../agent/attach/target.ts';

export interface FakeTargets {
  readonly probe: NamespaceProbe;
  readonly add: (text: string, namespace?: string, startedAt?: string) => void;
  readonly remove: (text: string) => void;
}

export function createFakeTargets(): FakeTargets {
  const present = new Map<string, { namespace: string; startedAt: string | undefined }>();
  return {
    probe: {
      look: ({ text }) => {
        const found = present.get(text);
        return Promise.resolve(
          found === undefined ? { kind: 'missing' } : { kind: 'present', netnsPath: `/run/${text}`, ...found },
        );
      },
      own: () => Promise.resolve('own'),
    },
    add: (text, namespace = text, startedAt) => void present.set(text, { namespace, startedAt }),
    remove: (text) => void present.delete(text),
  };
}

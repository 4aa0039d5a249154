/**
 * How the mesh is told of members: as workloads without addresses, called after the target and the segment, because the
 * same container may be a workload on the lease under its own name.
 */
import { type SegmentName, type Workload, parseLabel } from '../../shared/workload.ts';

export function nameMembers(
  members: ReadonlyArray<{ readonly text: string; readonly segment: SegmentName }>,
): Workload[] {
  const taken = new Set<string>();
  return members.map(({ text, segment }) => {
    const base = `${stem(text)}-${segment}`;
    let name = base;
    for (let n = 2; taken.has(name); n += 1) name = `${base}-${n}`;
    taken.add(name);
    return {
      name: parseLabel(name),
      services: [],
      addresses: [],
      ports: [],
      segment,
      isHealthy: true,
      variables: [],
    };
  });
}

/** `netns:/run/netns/Web.1` -> `web-1`; short enough for a segment's name and a number behind it. */
function stem(text: string): string {
  const last = text.slice(Math.max(text.lastIndexOf('/'), text.indexOf(':')) + 1);
  const plain = last
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 24);
  const kind = text.slice(0, text.indexOf(':'));
  return /[a-z]/.test(plain) ? plain.replace(/-+$/, '') : `${kind}-${plain}`.replace(/-+$/, '');
}

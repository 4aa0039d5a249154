/** Reads a relay's table back from what nft lists: which directions it holds, and how many packets each let on. Pure. */
import { z } from 'zod';
import { type Address, type Family, isAddress } from '../../shared/net/address.ts';
import { makeEndpoint } from '../../shared/net/endpoint.ts';
import { type Placed, markedPort } from './table.ts';

const keySchema = z.object({ concat: z.tuple([z.string(), z.number(), z.number()]) });
const plainSchema = z.tuple([z.union([keySchema, z.number()]), z.union([z.string(), z.number()])]);
const twinSchema = z.tuple([
  z.object({
    elem: z.object({ val: keySchema, comment: z.string(), counter: z.object({ packets: z.number() }) }),
  }),
  z.number(),
]);

export interface Held {
  readonly placed: Placed;
  readonly packets: number;
}

/** What is not whole, or was not written by us, is left out. */
export function readHeld(family: Family, items: readonly Readonly<Record<string, unknown>>[]): Held[] {
  const maps = new Map(items.flatMap(({ map }) => (isMap(map) ? [[map.name, map.elem ?? []] as const] : [])));
  const address = plain(maps.get('address'));
  const port = plain(maps.get('port'));
  const own = plain(maps.get('own_address'));
  return (maps.get('twin') ?? []).flatMap((element): Held[] => {
    const parsed = twinSchema.safeParse(element);
    if (!parsed.success) return [];
    const [{ elem }, mark] = parsed.data;
    const [from, fromPort, pairPort] = elem.val.concat;
    const key = keyText(elem.val);
    const hosts = /^([0-9a-f]{16}) ([0-9a-f]{16})$/.exec(elem.comment);
    const [to, toPort, twin, ownAddress] = [address.get(key), port.get(key), markedPort(mark), own.get(String(mark))];
    if (hosts?.[1] === undefined || hosts[2] === undefined || twin === undefined) return [];
    if (!isAddress(from) || !isText(to) || typeof toPort !== 'number' || !isText(ownAddress)) return [];
    const source = makeEndpoint(from, fromPort);
    const target = makeEndpoint(to, toPort);
    const placed = { family, source, port: pairPort, target, twin, own: ownAddress };
    return [{ placed: { ...placed, hosts: [hosts[1], hosts[2]] }, packets: elem.counter.packets }];
  });
}

const isText = (value: string | number | undefined): value is Address => typeof value === 'string' && isAddress(value);

const isMap = (value: unknown): value is { name: string; elem?: readonly unknown[] } =>
  typeof value === 'object' && value !== null && 'name' in value && typeof value.name === 'string';

function plain(elements: readonly unknown[] = []): Map<string, string | number> {
  return new Map(
    elements.flatMap((element) => {
      const parsed = plainSchema.safeParse(element);
      return parsed.success ? [[keyText(parsed.data[0]), parsed.data[1]] as const] : [];
    }),
  );
}

const keyText = (key: number | z.infer<typeof keySchema>): string =>
  typeof key === 'number' ? String(key) : key.concat.join(' ');

/**
 * One DNS query against the zone. Pure: bytes in, bytes out or the word that the question is for somebody else. Follows
 * RFC 1035, 2308 (negative answers), 6891 (EDNS), 8020 (NXDOMAIN) and 8482 (ANY).
 */
import packet, { type Answer, type DecodedPacket, type Question } from 'dns-packet';
import { type Address, isAddress } from '../../shared/net/address.ts';
import { type Entry, type Zone, addressOfReverse } from './zone.ts';

export type Outcome =
  /** Ours to answer. */
  | { readonly kind: 'reply'; readonly bytes: Buffer }
  /** Not ours: ask the host's own servers. */
  | { readonly kind: 'forward'; readonly question: string; readonly limit: number }
  /** Nothing that deserves an answer. */
  | { readonly kind: 'drop' };

export const rcodes = { noerror: 0, formerr: 1, servfail: 2, nxdomain: 3, notimp: 4, refused: 5 } as const;
export type Rcode = keyof typeof rcodes;

/** Seconds. Short, because containers come and go; asking again costs one packet on the bridge. */
const ttl = 1;
/** What this server takes and gives over UDP (DNS flag day 2020). */
export const udpBytes = 1232;

export interface Asking {
  readonly isTcp: boolean;
  /** 0 <= x < 1; orders what is shuffled. */
  readonly random: () => number;
}

export function answer(bytes: Buffer, zone: Zone | undefined, asking: Asking): Outcome {
  if (bytes.length < 12 || isResponse(bytes)) return { kind: 'drop' };
  const query = isPlausible(bytes) ? decode(bytes) : undefined;
  if (query === undefined) return malformed(bytes);
  const [question] = query.questions ?? [];
  const limit = asking.isTcp ? 65_535 : limitOf(query);
  const reply = (rcode: Rcode, parts: Parts = {}): Outcome => ({
    kind: 'reply',
    bytes: encode(query, rcode, parts, limit),
  });
  if (((query.flags ?? 0) >> 11) & 0xf) return reply('notimp');
  if (question === undefined || (query.questions ?? []).length !== 1) return reply('formerr');
  if (question.class !== undefined && question.class !== 'IN') return reply('refused');
  // ASCII alone: what Unicode takes for the same letter is another name (RFC 4343).
  const name = question.name.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).replace(/\.$/, '');
  const forward: Outcome = { kind: 'forward', question: `${name} ${question.type}`, limit };
  if (zone === undefined) return forward;
  const isOurs = name === zone.domain || name.endsWith(`.${zone.domain}`) || zone.reverseOf(name) !== undefined;
  if (!isSpelledSo(bytes, question)) return isOurs ? malformed(bytes) : forward;
  const reverse = addressOfReverse(name);
  if (reverse !== undefined) {
    const target = zone.nameOf(reverse);
    if (target === undefined) return isOurs ? reply('nxdomain', { soa: zone.domain }) : forward;
    const isAsked = question.type === 'PTR' || (question.type as string) === 'ANY';
    return reply(
      'noerror',
      isAsked ? { answers: [{ ...owner(question), type: 'PTR', data: target }] } : { soa: zone.domain },
    );
  }
  const above = zone.reverseOf(name);
  if (above !== undefined) return reply(above === 'exists' ? 'noerror' : 'nxdomain', { soa: zone.domain });
  const full = name.includes('.') ? name : `${name}.${zone.domain}`;
  if (full !== zone.domain && !full.endsWith(`.${zone.domain}`)) return forward;
  const entry = zone.find(full);
  // A name of one label may be the host's own network's.
  if (entry === undefined) return name.includes('.') ? reply('nxdomain', { soa: zone.domain }) : forward;
  const answers = answersOf(question, full === zone.domain, entry, zone.domain, asking);
  return reply('noerror', answers.length === 0 ? { soa: zone.domain } : { answers });
}

function answersOf(question: Question, isApex: boolean, entry: Entry, domain: string, { random }: Asking): Answer[] {
  // The types of the library leave ANY out.
  const type: string = question.type;
  const all = shuffle(entry.addresses, random);
  const sets = {
    A: all.filter((one) => !one.includes(':')).map((data): Answer => ({ ...owner(question), type: 'A', data })),
    AAAA: all.filter((one) => one.includes(':')).map((data): Answer => ({ ...owner(question), type: 'AAAA', data })),
    SRV: shuffle(entry.services, random).map(({ target, port }): Answer => ({
      ...owner(question),
      type: 'SRV',
      data: { target, port, priority: 0, weight: 0 },
    })),
    SOA: isApex ? [{ ...soa(domain), name: question.name }] : [],
  };
  // Anything is one set of what there is (RFC 8482): enough to know the name, little to reflect.
  if (type === 'ANY') return Object.values(sets).find((set) => set.length > 0) ?? [];
  return type === 'A' || type === 'AAAA' || type === 'SRV' || type === 'SOA' ? sets[type] : [];
}

/** The name as it was asked, letter by letter: resolvers tell their own questions by its case. */
const owner = (question: Question) => ({ name: question.name, ttl, class: 'IN' as const });

interface Parts {
  readonly answers?: readonly Answer[];
  /** The zone whose SOA says how long the absence may be believed. */
  readonly soa?: string;
}

function encode(query: DecodedPacket, rcode: Rcode, { answers = [], soa: zone }: Parts, limit: number): Buffer {
  const hasEdns = (query.additionals ?? []).some(({ type }) => type === 'OPT');
  const flags =
    packet.AUTHORITATIVE_ANSWER | packet.RECURSION_AVAILABLE | ((query.flags ?? 0) & packet.RECURSION_DESIRED);
  const build = (list: readonly Answer[], authorities: Answer[], more: number): Buffer =>
    packet.encode({
      type: 'response',
      id: query.id ?? 0,
      flags: flags | more | rcodes[rcode],
      questions: query.questions ?? [],
      answers: [...list],
      authorities,
      additionals: hasEdns ? [edns] : [],
    });
  const whole = build(answers, zone === undefined ? [] : [soa(zone)], 0);
  return whole.length <= limit ? whole : build([], [], packet.TRUNCATED_RESPONSE);
}

const edns: Answer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: udpBytes,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

function soa(domain: string) {
  return {
    name: domain,
    type: 'SOA' as const,
    class: 'IN' as const,
    ttl,
    data: {
      mname: domain,
      rname: `hostmaster.${domain}`,
      serial: 1,
      refresh: 60,
      retry: 10,
      expire: 600,
      minimum: ttl,
    },
  };
}

/** Any failure as an answer to a whole query. */
export function failure(bytes: Buffer, rcode: Rcode): Buffer {
  const query = decode(bytes);
  const [question] = query?.questions ?? [];
  return query === undefined || question === undefined || !isSpelledSo(bytes, question)
    ? bareReply(bytes, rcode)
    : encode(query, rcode, {}, 65_535);
}

const malformed = (bytes: Buffer): Outcome => ({ kind: 'reply', bytes: bareReply(bytes, 'formerr') });

/** Counts that no real query has are not even read: what they promise costs time to look for. */
const isPlausible = (bytes: Buffer): boolean =>
  bytes.readUInt16BE(4) <= 1 &&
  bytes.readUInt16BE(6) === 0 &&
  bytes.readUInt16BE(8) === 0 &&
  bytes.readUInt16BE(10) <= 4;

/** False where writing the question again gives other bytes: labels that are no UTF-8, that hold a dot, pointers. */
function isSpelledSo(bytes: Buffer, question: Question): boolean {
  const again = packet.encode({ type: 'query', questions: [question] }).subarray(12);
  return bytes.subarray(12, 12 + again.length).equals(again);
}

/** A header alone. */
function bareReply(bytes: Buffer, rcode: Rcode): Buffer {
  const reply = Buffer.alloc(12);
  bytes.copy(reply, 0, 0, 2);
  reply.writeUInt16BE(0x8000 | rcodes[rcode], 2);
  return reply;
}

export function decode(bytes: Buffer): DecodedPacket | undefined {
  try {
    return packet.decode(bytes);
  } catch {
    return undefined;
  }
}

const isResponse = (bytes: Buffer): boolean => ((bytes[2] ?? 0) & 0x80) !== 0;

export function limitOf(query: DecodedPacket): number {
  const option = (query.additionals ?? []).find((one) => one.type === 'OPT');
  const asked = option !== undefined && 'udpPayloadSize' in option ? option.udpPayloadSize : 512;
  return Math.min(Math.max(asked, 512), udpBytes);
}

function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const list = [...items];
  for (let i = list.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [list[i], list[j]];
    if (a === undefined || b === undefined) continue;
    list[i] = b;
    list[j] = a;
  }
  return list;
}

/** Of all A and AAAA records. */
export function addressesIn(bytes: Buffer): Address[] {
  return (decode(bytes)?.answers ?? []).flatMap((one) =>
    (one.type === 'A' || one.type === 'AAAA') && isAddress(one.data) ? [one.data] : [],
  );
}

/** Addresses of an answer, for who asks in this process. */
export function readAnswers(bytes: Buffer): { rcode: string; answers: string[] } {
  const reply = decode(bytes);
  const code = (reply?.flags ?? 2) & 0xf;
  const rcode = Object.entries(rcodes).find(([, value]) => value === code)?.[0] ?? String(code);
  return { rcode: rcode.toUpperCase(), answers: (reply?.answers ?? []).map(showAnswer) };
}

function showAnswer(one: Answer): string {
  if (one.type === 'A' || one.type === 'AAAA') return one.data;
  if (one.type === 'PTR' || one.type === 'CNAME') return one.data;
  if (one.type === 'SRV')
    return `${one.data.priority ?? 0} ${one.data.weight ?? 0} ${one.data.port} ${one.data.target}`;
  return `${one.type} ${'data' in one ? JSON.stringify(one.data) : ''}`;
}

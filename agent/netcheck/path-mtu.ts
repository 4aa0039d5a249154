/**
 * The largest packet that gets to an address and back, found by echoes that must not be cut to pieces. All sizes at once:
 * where a hop on the way says that a packet is too big the answer is exact, where it swallows them in silence the largest
 * echo that came back is the answer.
 */
import type { Address } from '../../shared/net/address.ts';
import type { Argv, System } from '../system/run.ts';

export interface PathMtu {
  /** Of the first link on the way; undefined where no route is known. */
  readonly linkMtu: number | undefined;
  /** Undefined where not even a small echo came back. */
  readonly pathMtu: number | undefined;
  /** False where packets that are too big vanish and nobody says so. */
  readonly isTold: boolean;
}

export interface EchoResult {
  readonly bytes: number;
  readonly isAnswered: boolean;
  /** What a hop, or this host by what it learned before, says fits. */
  readonly toldMtu: number | undefined;
}

/** MTUs that networks have: Ethernet, PPPoE, tunnels of several makes, the least that IPv6 allows, and less. */
const usual = [9000, 1500, 1492, 1480, 1460, 1440, 1420, 1400, 1380, 1350, 1320, 1280, 1200, 576];
const headerBytes = { 4: 28, 6: 48 };

export async function findPathMtu(
  system: Pick<System, 'run'>,
  target: Address,
  linkMtu: number | undefined,
): Promise<PathMtu> {
  return judgeEchoes(linkMtu, await Promise.all(sizesFor(linkMtu).map((bytes) => echo(system, target, bytes))));
}

/** Nothing is sent that does not fit on the first link. */
export function sizesFor(linkMtu = 1500): number[] {
  return [...new Set([linkMtu, ...usual.filter((size) => size < linkMtu)])];
}

export function judgeEchoes(linkMtu: number | undefined, results: readonly EchoResult[]): PathMtu {
  const answered = results.filter(({ isAnswered }) => isAnswered).map(({ bytes }) => bytes);
  if (answered.length === 0) return { linkMtu, pathMtu: undefined, isTold: false };
  const largest = Math.max(...answered);
  const told = results.map(({ toldMtu }) => toldMtu).filter((mtu) => mtu !== undefined && mtu >= largest);
  const isWhole = results.every(({ bytes }) => bytes <= largest);
  const exact = Math.min(...told.filter((mtu) => mtu !== undefined));
  return { linkMtu, pathMtu: told.length > 0 ? exact : largest, isTold: isWhole || told.length > 0 };
}

async function echo(system: Pick<System, 'run'>, target: Address, bytes: number): Promise<EchoResult> {
  const payload = bytes - headerBytes[target.includes(':') ? 6 : 4];
  const argv: Argv = ['ping', '-n', '-M', 'do', '-c', '2', '-i', '0.2', '-W', '1', '-s', String(payload), target];
  try {
    // 1: nothing came back; 2: it could not even be sent, or this ping knows no -M.
    const { stdout, stderr } = await system.run({ argv, timeoutMs: 5_000, okCodes: [0, 1, 2] });
    return readEcho(bytes, `${stdout}\n${stderr}`);
  } catch {
    // Without a ping nothing is known, which is what is told.
    return { bytes, isAnswered: false, toldMtu: undefined };
  }
}

/** What iputils' ping prints: `message too long, mtu=1400`, `Frag needed and DF set (mtu = 1280)`, `Packet too big: mtu=1280`. */
export function readEcho(bytes: number, text: string): EchoResult {
  const received = Number(/(\d+)(?: packets)? received/.exec(text)?.[1] ?? 0);
  const told = [...text.matchAll(/\bmtu ?[=:] ?(\d+)/gi)].map(([, mtu]) => Number(mtu)).filter((mtu) => mtu < bytes);
  return { bytes, isAnswered: received > 0, toldMtu: told.length > 0 ? Math.min(...told) : undefined };
}

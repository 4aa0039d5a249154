/**
 * Loaded into the server's process ahead of the server (`node --import`), by the bench only: tells what the process used
 * and when the first byte of a change left. It wraps the call by which Node hands bytes to TLS, and only looks while armed.
 */
import { Socket } from 'node:net';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { serveCalls } from './calls.ts';
import { monotonicMs } from './clock.ts';

export interface FirstByte {
  /** CPU the process used between `arm` and the first byte of a delta, ms. */
  readonly cpuMs: number;
  readonly atMs: number;
}

export interface Usage {
  readonly cpuMs: number;
  readonly rssMib: number;
  readonly heapMib: number;
}

let lag: IntervalHistogram | undefined;
let armedCpu: NodeJS.CpuUsage | undefined;
let isLooking = false;
let first: FirstByte | undefined;

const calls = {
  /** The next delta that leaves is the one that is waited for. */
  arm(): void {
    lag?.disable();
    lag = monitorEventLoopDelay({ resolution: 1 });
    lag.enable();
    first = undefined;
    armedCpu = process.cpuUsage();
    isLooking = true;
  },
  /** What happened since `arm`. */
  disarm(): { first: FirstByte | undefined; cpuMs: number; lagMaxMs: number } {
    isLooking = false;
    lag?.disable();
    return { first, cpuMs: cpuMsSince(armedCpu), lagMaxMs: (lag?.max ?? NaN) / 1e6 };
  },
  usage(): Usage {
    const { rss, heapUsed } = process.memoryUsage();
    return { cpuMs: cpuMsSince(undefined), rssMib: rss / 2 ** 20, heapMib: heapUsed / 2 ** 20 };
  },
  collectGarbage(): void {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
  },
};
export type ProbeCalls = typeof calls;

function cpuMsSince(start: NodeJS.CpuUsage | undefined): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/* oxlint-disable no-underscore-dangle -- Node's own name */
type WriteGeneric = (writev: boolean, data: unknown, ...rest: unknown[]) => unknown;
const prototype = Socket.prototype as unknown as { _writeGeneric: WriteGeneric };
const writeGeneric = prototype._writeGeneric;
prototype._writeGeneric = function look(this: Socket, writev, data, ...rest) {
  if (isLooking && first === undefined && holdsDelta(data))
    first = { cpuMs: cpuMsSince(armedCpu), atMs: monotonicMs() };
  return writeGeneric.call(this, writev, data, ...rest);
};

function holdsDelta(data: unknown): boolean {
  if (Array.isArray(data)) return data.some((part: { chunk?: unknown }) => holdsDelta(part.chunk));
  return Buffer.isBuffer(data) && data.subarray(0, 200).includes('event: delta');
}

serveCalls(new URL(import.meta.url).searchParams.get('socket') ?? '', calls);

/** Milliseconds of CLOCK_MONOTONIC: the same clock in every process of the machine. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

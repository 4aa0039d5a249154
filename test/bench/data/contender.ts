/** What every way of joining two hosts' containers looks like to the measurement. */
import type { Running } from '../../support/process.ts';
import type { Topology } from './topology.ts';

export interface Contender {
  readonly name: string;
  /** What it ran with, for the reader: versions, cipher, MTU. */
  readonly about: string;
  readonly topology: Topology;
  /** From nothing running to everything asked for; this is what is timed until the first packet. */
  start(): Promise<void>;
  /** Back to nothing running; keys and files stay. */
  stop(): Promise<void>;
  /** Where the packets go: the second host's container. Undefined while that is not known yet. */
  target(): string | undefined;
}

/** Ends the daemons and forgets them. */
export async function endAll(daemons: Running[]): Promise<void> {
  await Promise.all(daemons.splice(0).map((daemon) => daemon.stop()));
}

import type { Address } from '../../shared/net/address.ts';

/** One connection of a container with a network whose addresses are on the mesh. */
export interface EngineEndpoint {
  /** Another one for each connection. */
  readonly id: string;
  readonly container: string;
  readonly pid: number;
  readonly bridgeName: string;
  readonly addresses: readonly Address[];
  readonly mac: string | undefined;
}

/** What a host's links with relays go by and say: who is reached how, what a relay said, what is to be sent. Types alone. */
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { ProbeId, RelayBody } from './wire.ts';

/** What the rest of the agent knows. */
export interface Ground {
  /** All hosts of the map but this one. */
  readonly peers: ReadonlyMap<ProbeId, PeerGround>;
  /** Relays with a proven direct way, the quickest first. */
  readonly relays: readonly RelayGround[];
  /** All that the map marks as relays. */
  readonly marked: ReadonlySet<ProbeId>;
}

export interface PeerGround {
  /** True while no direct way to it is proven. */
  readonly isInNeed: boolean;
  /** The relay that its tunnel goes by now. */
  readonly inUse: ProbeId | undefined;
}

export interface RelayGround {
  readonly id: ProbeId;
  /** Where it was proven to be, the best first, one per family. */
  readonly endpoints: readonly Endpoint[];
}

export interface Sent {
  readonly to: Endpoint;
  readonly host: ProbeId;
  readonly kind: number;
  readonly transaction: string;
  readonly body: Buffer;
}

export interface FromRelay {
  readonly kind: number;
  readonly relay: ProbeId;
  readonly from: Endpoint;
  readonly transaction: string;
  readonly body: RelayBody;
}

export interface Route {
  readonly peer: ProbeId;
  readonly relay: ProbeId;
  readonly endpoint: Endpoint;
}

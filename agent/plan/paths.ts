/** What is known of the way to a peer, for the planner: where WireGuard should send, and what it should be moved from. */
import type { Endpoint } from '../../shared/net/endpoint.ts';

export interface PathWish {
  /** Proven by an answer of the peer itself. */
  readonly best: Endpoint;
  /** All other ways that are known. An endpoint that is neither is WireGuard's own finding and left alone. */
  readonly worse: readonly Endpoint[];
  /** True asks WireGuard to begin there now, where it has no session. */
  readonly isKickDue: boolean;
}

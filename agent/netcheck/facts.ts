/** All that netcheck judges by, gathered beforehand. */
import type { WarrenError } from '../../shared/errors.ts';
import type { HostRecord } from '../../shared/network-map.ts';
import type { Endpoint } from '../../shared/net/endpoint.ts';
import type { Family } from '../../shared/net/address.ts';
import type { PeerStatus } from '../local/api.ts';
import type { Outside, Sight } from '../paths/mapped.ts';
import type { OwnGround } from '../paths/why.ts';
import type { Connection } from '../stream.ts';
import type { PathMtu } from './path-mtu.ts';
import type { ServerLook } from './server-look.ts';

export type Looked = { readonly kind: 'answered'; readonly look: ServerLook } | Failed;
interface Failed {
  readonly kind: 'failed';
  readonly error: WarrenError;
}

export interface NetFacts {
  readonly serverUrl: string;
  readonly server: Looked;
  readonly feed: Connection;
  readonly listenPort: number;
  readonly ground: OwnGround;
  /** The server's; undefined where it has none, or where that is not known. */
  readonly reflector: { readonly endpoint: Endpoint; readonly isAnswering: boolean } | undefined;
  readonly outside: Outside;
  readonly sights: readonly Sight[];
  readonly defaultRoutes: ReadonlySet<Family>;
  /** Of the way to the server. */
  readonly mtu: PathMtu;
  readonly tunnelMtu: number | null;
  readonly isRelay: boolean;
  /** The other hosts of the map, and how each is reached. */
  readonly hosts: readonly HostRecord[];
  readonly peers: readonly PeerStatus[];
}

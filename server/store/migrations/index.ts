/** Every migration in the order it is applied; the position is the schema version it leads to. Append only. */
import { initial } from './0001-initial.ts';
import { workloads } from './0002-workloads.ts';
import { reach } from './0003-reach.ts';
import { tlsRelay } from './0004-tls-relay.ts';
import { lock } from './0005-lock.ts';

export const migrations: readonly string[] = [initial, workloads, reach, tlsRelay, lock];

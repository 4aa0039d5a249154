/** Every operation of the API in one list; the server serves all of them and a test walks them. */
import * as audit from './audit.ts';
import * as ca from './ca.ts';
import * as enroll from './enroll.ts';
import * as feed from './feed.ts';
import * as hosts from './hosts.ts';
import * as keys from './keys.ts';
import * as lock from './lock.ts';
import * as pools from './pools.ts';
import * as publications from './publications.ts';
import * as report from './report.ts';
import type { Operation } from './route.ts';
import * as segments from './segments.ts';
import * as server from './server.ts';
import * as status from './status.ts';
import * as subnets from './subnets.ts';
import * as tokens from './tokens.ts';
import * as workloads from './workloads.ts';

const modules = [
  audit,
  ca,
  enroll,
  feed,
  hosts,
  keys,
  lock,
  pools,
  publications,
  report,
  segments,
  server,
  status,
  subnets,
  tokens,
  workloads,
];

export const operations: readonly Operation[] = modules
  .flatMap((module) => Object.values(module) as unknown[])
  .filter(isOperation)
  .sort((a, b) => (a.id < b.id ? -1 : 1));

function isOperation(value: unknown): value is Operation {
  return typeof value === 'object' && value !== null && 'access' in value && 'path' in value;
}

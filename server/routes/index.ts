/** Every route of the server, one file per noun as in `shared/api/`. A route parses nothing and decides little: it calls. */
import type { Route } from '../http/handler.ts';
import { auditRoutes } from './audit.ts';
import { caRoutes } from './ca.ts';
import { distRoutes } from './dist.ts';
import { enrollRoutes } from './enroll.ts';
import { feedRoutes } from './feed.ts';
import { hostRoutes } from './hosts.ts';
import { keyRoutes } from './keys.ts';
import { lockRoutes } from './lock.ts';
import { poolRoutes } from './pools.ts';
import { publicationRoutes } from './publications.ts';
import { reportRoutes } from './report.ts';
import { segmentRoutes } from './segments.ts';
import { serverRoutes } from './server.ts';
import { statusRoutes } from './status.ts';
import { subnetRoutes } from './subnets.ts';
import { tokenRoutes } from './tokens.ts';
import { workloadRoutes } from './workloads.ts';

export const routes: readonly Route[] = [
  ...auditRoutes,
  ...caRoutes,
  ...distRoutes,
  ...enrollRoutes,
  ...feedRoutes,
  ...hostRoutes,
  ...keyRoutes,
  ...lockRoutes,
  ...poolRoutes,
  ...publicationRoutes,
  ...reportRoutes,
  ...segmentRoutes,
  ...serverRoutes,
  ...statusRoutes,
  ...subnetRoutes,
  ...tokenRoutes,
  ...workloadRoutes,
];

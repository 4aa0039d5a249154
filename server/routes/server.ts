/** What anyone may ask of the server itself. */
import { showHealth, showReadiness, showVersion } from '../../shared/api/server.ts';
import { protocolVersion } from '../../shared/protocol.ts';
import { type Route, read } from '../http/handler.ts';
import { checkReady } from '../status/health.ts';

export const serverRoutes: Route[] = [
  read(showHealth, () => Promise.resolve({ status: 'ok' as const })),
  read(showReadiness, async ({ deps }) => {
    await checkReady(deps);
    return { status: 'ready' as const, backup: deps.backups.standing() };
  }),
  read(showVersion, ({ deps }) =>
    Promise.resolve({ version: deps.version, protocol: protocolVersion, minimumProtocol: protocolVersion }),
  ),
];

/** What anyone may ask: is it alive, is it ready, which version, and the files an enrolling machine needs. */
import { z } from 'zod';
import { operation, timeSchema } from './route.ts';

export const showHealth = operation({
  id: 'server.health',
  method: 'GET',
  path: '/healthz',
  access: 'public',
  summary: 'The process answers',
  reply: z.strictObject({ status: z.literal('ok') }),
});

/** Of scheduled backups: `failing` is what somebody should look at; it does not keep the server from serving. */
export const backupStandingSchema = z.strictObject({
  state: z.enum(['off', 'waiting', 'good', 'failing']),
  lastGoodAt: timeSchema.nullable(),
});
export type BackupStanding = z.output<typeof backupStandingSchema>;

export const showReadiness = operation({
  id: 'server.ready',
  method: 'GET',
  path: '/readyz',
  access: 'public',
  summary: 'The server can serve: store writable, CA loaded, not draining',
  reply: z.strictObject({ status: z.literal('ready'), backup: backupStandingSchema }),
});

export const showVersion = operation({
  id: 'server.version',
  method: 'GET',
  path: '/version',
  access: 'public',
  summary: 'Version of the server and of the protocol',
  reply: z.strictObject({ version: z.string(), protocol: z.int(), minimumProtocol: z.int() }),
});

/** Answers a shell script with this server's address, pin and checksums in it. */
export const showInstallScript = operation({
  id: 'server.install',
  method: 'GET',
  path: '/install.sh',
  access: 'public',
  summary: 'The script that makes a machine a host, upgrades it, or takes it out again',
});

/** Answers the bytes of a file that `manifest.json` names, or the manifest itself. */
export const downloadFile = operation({
  id: 'server.dist',
  method: 'GET',
  path: '/dist/{file}',
  access: 'public',
  summary: 'Download an executable for hosts',
  params: z.strictObject({ file: z.string().min(1).max(100) }),
});

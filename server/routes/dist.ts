/** What a machine needs to become a host, for anyone: the install script and the executables it downloads. */
import { createReadStream } from 'node:fs';
import { downloadFile, showInstallScript } from '../../shared/api/server.ts';
import { WarrenError } from '../../shared/errors.ts';
import { printable } from '../../shared/net/address.ts';
import type { Deps } from '../deps.ts';
import { type PageReply, type Route, page } from '../http/handler.ts';
import { type Dist, findDistFile, manifestName, readDist } from '../web/dist-files.ts';
import { readInstallTemplate, renderInstallScript } from '../web/install.ts';

export const distRoutes: Route[] = [
  page(showInstallScript, async ({ deps }) => installScript(deps)),
  page(downloadFile, async ({ deps, params }) => distFile(await readDist(deps.config.distDir), params.file)),
];

/** Also without any executable: the script then says what is missing, and it still uninstalls. */
async function installScript(deps: Deps): Promise<PageReply> {
  const dist = await readDist(deps.config.distDir);
  const body = renderInstallScript(await readInstallTemplate(), {
    serverUrl: deps.config.url,
    serverPin: deps.authority.serverPin,
    version: dist?.manifest.version ?? deps.version,
    builds: dist?.manifest.builds ?? [],
  });
  return { contentType: 'text/x-shellscript; charset=utf-8', body, headers: { 'cache-control': 'no-store' } };
}

async function distFile(dist: Dist | undefined, name: string): Promise<PageReply> {
  if (dist === undefined) {
    throw new WarrenError(
      'not-found',
      "this server has no executables for hosts; make them with 'npm run build:agent'",
    );
  }
  if (name === manifestName) {
    return {
      contentType: 'application/json',
      body: JSON.stringify(dist.manifest),
      headers: { 'cache-control': 'no-store' },
    };
  }
  const found = await findDistFile(dist, name);
  if (found === undefined) {
    throw new WarrenError('not-found', `there is no file '${printable(name)}' here; /dist/${manifestName} lists them`);
  }
  const headers = { 'content-length': String(found.entry.bytes), etag: `"${found.entry.sha256}"` };
  return { contentType: 'application/octet-stream', body: createReadStream(found.path), headers };
}

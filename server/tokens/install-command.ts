/**
 * The one line that turns a machine into a host. The key of the server's TLS certificate is pinned, so the script is
 * the server's even though nothing on the machine trusts the mesh's CA yet: curl(1) enforces `--pinnedpubkey` also under
 * `-k`. The token stands in the environment of the shell that runs the script, so in no process's argument list.
 */
import { WarrenError } from '../../shared/errors.ts';
import { pinSchema, serverUrlSchema } from '../../shared/token.ts';

export function installCommand(input: { serverUrl: string; serverPin: string; token: string }): string {
  const url = quote(`${serverUrlSchema.parse(input.serverUrl)}/install.sh`);
  const pin = quote(`sha256//${pinSchema.parse(input.serverPin)}`);
  return `curl -fsSL --proto '=https' -k --pinnedpubkey ${pin} ${url} | WARREN_TOKEN=${plain(input.token)} sh`;
}

/** Between single quotes a POSIX shell takes everything literally but the single quote. */
function quote(text: string): string {
  if (/['\p{Cc}]/u.test(text)) {
    throw new WarrenError(
      'config-invalid',
      `the server's url '${text}' cannot stand in a command line; change \`url\``,
    );
  }
  return `'${text}'`;
}

/** Tokens are base64url and dots: nothing a shell would read. */
function plain(token: string): string {
  if (!/^[A-Za-z0-9._-]+$/.test(token)) throw new WarrenError('internal', 'the token has characters it never has');
  return token;
}

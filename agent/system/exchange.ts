/** One question and one answer over a unix socket, as WireGuard's cross-platform interface speaks them. */
import { connect } from 'node:net';
import { WarrenError } from '../../shared/errors.ts';

const patienceMs = 5_000;
const longestReply = 64 * 1024;

export function exchange(socketPath: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    let reply = '';
    const fail = (why: string): void => {
      socket.destroy();
      reject(new WarrenError('unreachable', `${socketPath}: ${why}`));
    };
    socket.setTimeout(patienceMs, () => fail(`no answer within ${patienceMs} ms`));
    socket.on('error', (error) => fail(error.message));
    socket.on('end', () => fail('it hung up before it had answered'));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      reply += chunk;
      if (reply.length > longestReply) return fail('its answer does not end');
      if (!reply.endsWith('\n\n')) return;
      socket.destroy();
      resolve(reply);
    });
    socket.write(text);
  });
}

/** Answers sockets whose bytes never became a request: too slow, too large or not HTTP. */
import type { Socket } from 'node:net';
import { WarrenError } from '../../shared/errors.ts';
import { rawProblem } from './problems.ts';

export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  socket.end(rawProblem(nameError(error.code)), () => socket.destroy());
}

function nameError(code: string | undefined): WarrenError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new WarrenError('request-timeout', 'the request did not arrive in time; send headers and body faster');
  }
  if (code === 'HPE_HEADER_OVERFLOW') return new WarrenError('headers-too-large', 'send at most 16 KiB of headers');
  return new WarrenError('request-invalid', 'this is not an HTTP/1.1 request');
}

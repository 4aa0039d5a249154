/** One HTTPS request, for the simulated agents and the operator. */
import { type RequestOptions, request } from 'node:https';
import { monotonicMs } from './clock.ts';

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** When the request was handed to the socket and when the answer was complete, ms. */
  readonly sentAt: number;
  readonly answeredAt: number;
}

export function send(options: RequestOptions, body?: unknown): Promise<Answer> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const content =
    text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const headers = { ...(options.headers as Record<string, string>), ...content };
    const call = request({ minVersion: 'TLSv1.3', ...options, headers }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on('data', (chunk: Buffer) => chunks.push(chunk));
      reply.on('error', reject);
      reply.on('end', () => {
        const answer = { status: reply.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') };
        resolve({ ...answer, sentAt, answeredAt: monotonicMs() });
      });
    });
    call.on('error', reject);
    const sentAt = monotonicMs();
    call.end(text);
  });
}

/** Throws with the server's words unless the status is one of success. */
export function succeeded(answer: Answer): Answer {
  if (answer.status < 300) return answer;
  throw new Error(`the server answered ${answer.status}: ${answer.body.slice(0, 500)}`);
}

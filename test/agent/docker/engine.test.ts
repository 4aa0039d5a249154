import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { type Server, type ServerResponse, createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import { createEngine } from '../../../agent/docker/engine.ts';
import { WarrenError } from '../../../shared/errors.ts';

const dir = mkdtempSync(join(tmpdir(), 'warren-engine-'));
const socketPath = join(dir, 'docker.sock');
let answer: (url: string, reply: ServerResponse) => void = () => undefined;
let server: Server;

before(async () => {
  server = createServer((request, reply) => answer(request.url ?? '', reply));
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
});
after(() => {
  server.close();
  server.closeAllConnections();
  rmSync(dir, { recursive: true });
});

const schema = z.object({ ok: z.boolean() });
const codeOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
    return 'none';
  } catch (error) {
    assert.ok(error instanceof WarrenError, String(error));
    return error.code;
  }
};
const replying = (status: number, body: string): void => {
  answer = (_url, reply) => reply.writeHead(status).end(body);
};

test('an answer is asked for in the version of the API and read by its schema', async () => {
  let asked = '';
  answer = (url, reply) => {
    asked = url;
    reply.end('{"ok":true,"more":1}');
  };
  assert.deepEqual(await createEngine(socketPath, '1.41').get('/info', schema), { ok: true });
  assert.equal(asked, '/v1.41/info');
});

test('whatever an engine answers, the error is one of ours and says what it said', async () => {
  const engine = createEngine(socketPath, '1.41');
  for (const [status, body, code] of [
    [404, '{"message":"no such container"}', 'not-found'],
    [409, '{"message":"in use"}', 'conflict'],
    [500, 'not json', 'command-failed'],
    [200, 'not json', 'command-failed'],
    [200, '{"ok":"yes"}', 'command-failed'],
  ] as const) {
    replying(status, body);
    assert.equal(await codeOf(engine.get('/x', schema)), code, body);
  }
  replying(409, '{"message":"in use"}');
  await assert.rejects(engine.remove('/networks/x'), /in use/);
});

test('no engine is unreachable, and so is one that ends in the middle', async () => {
  assert.equal(await codeOf(createEngine(join(dir, 'none.sock'), undefined).get('/x', schema)), 'unreachable');
  answer = (_url, reply) => reply.destroy();
  assert.equal(await codeOf(createEngine(socketPath, undefined).get('/x', schema)), 'unreachable');
  answer = (_url, reply) => {
    reply.writeHead(200, { 'content-length': '100' });
    reply.write('{"ok"');
    setImmediate(() => reply.destroy());
  };
  assert.equal(await codeOf(createEngine(socketPath, undefined).get('/x', schema)), 'unreachable');
});

test('events come line by line, however they are cut, and end with the engine', async () => {
  answer = (_url, reply) => {
    reply.write('{"a":1}\n{"b"');
    setImmediate(() => reply.end(':2}\n{"cut'));
  };
  const lines: string[] = [];
  const handlers = { onOpen: () => void lines.push('open'), onLine: (line: string) => void lines.push(line) };
  await createEngine(socketPath, '1.41').follow('/events', handlers, new AbortController().signal);
  assert.deepEqual(lines, ['open', '{"a":1}', '{"b":2}']);
});

test('whoever listens can stop', async () => {
  const stopped = new AbortController();
  answer = (_url, reply) => reply.write('{}\n');
  const following = createEngine(socketPath, '1.41').follow(
    '/events',
    { onOpen: () => undefined, onLine: () => stopped.abort() },
    stopped.signal,
  );
  await following.catch(() => undefined);
  assert.ok(stopped.signal.aborted);
});

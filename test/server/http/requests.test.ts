import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { connect } from 'node:tls';
import { problemSchema } from '../../../shared/api/route.ts';
import { type Answer, type Ask, type TestServer, startTestServer } from './test-server.ts';

let running: TestServer;
before(async () => {
  running = await startTestServer();
});
after(() => running.stop());

const admin = (path: string, ask: Ask = {}): Promise<Answer> => running.ask(path, { key: running.adminKey, ...ask });
const post = (path: string, ask: Ask): Promise<Answer> => admin(path, { method: 'POST', ...ask });

function assertProblem(answer: Answer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8');
  const problem = problemSchema.parse(answer.json);
  assert.equal(problem.code, code);
  assert.equal(problem.status, status);
  assert.equal(problem.requestId, answer.headers['x-request-id']);
}

test('unknown paths, methods and broken encodings are problems', async () => {
  assertProblem(await admin('/nothing'), 404, 'not-found');
  assertProblem(await admin('/api/v1/hosts/..%2f..%2fetc%2fpasswd'), 400, 'request-invalid');
  assertProblem(await admin('/%zz'), 400, 'request-invalid');
  assertProblem(await admin(`/api/v1/hosts/${'a'.repeat(300)}`), 404, 'not-found');
  const wrong = await admin('/api/v1/hosts', { method: 'PUT' });
  assertProblem(wrong, 405, 'method-not-allowed');
  assert.equal(wrong.headers['allow'], 'GET, POST');
  assert.equal((await admin('/api/v1/hosts', { method: 'HEAD' })).status, 405);
});

test('bodies that are not the declared JSON are problems', async () => {
  const bad: [Ask, number, string][] = [
    [{ text: '{"name":' }, 400, 'request-invalid'],
    [{ text: '' }, 400, 'request-invalid'],
    [{ text: '[]' }, 400, 'request-invalid'],
    [{ text: 'null' }, 400, 'request-invalid'],
    [{ text: '['.repeat(30_000) + ']'.repeat(30_000) }, 400, 'request-invalid'],
    [{ body: { name: 'a1', extra: 1 } }, 400, 'request-invalid'],
    [{ body: { name: ['a1'] } }, 400, 'request-invalid'],
    [{ body: { name: 'a\n1' } }, 400, 'request-invalid'],
    [{ text: '{"name":"a1","__proto__":{"tags":[]}}' }, 400, 'request-invalid'],
    [{ text: '{"name":"a1","constructor":{"prototype":{}}}' }, 400, 'request-invalid'],
    [{ body: { name: 'a1', tags: 'x'.repeat(70_000) } }, 413, 'body-too-large'],
    [{ text: '{"name":"a1"}', headers: { 'content-type': 'text/plain' } }, 415, 'media-type-unsupported'],
    [
      { text: 'name=a1', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      415,
      'media-type-unsupported',
    ],
    [{ text: '{"name":"a1"}', headers: { 'content-type': 'application/jsonx' } }, 415, 'media-type-unsupported'],
  ];
  for (const [ask, status, code] of bad) assertProblem(await post('/api/v1/hosts', ask), status, code);
  assert.deepEqual((await admin('/api/v1/hosts')).json['items'], []);
});

test('of a key given twice the last one counts, and it must be valid too', async () => {
  assertProblem(await post('/api/v1/hosts', { text: '{"name":"a1","name":"A B"}' }), 400, 'request-invalid');
  const made = await post('/api/v1/hosts', { text: '{"name":"A B","name":"twice"}' });
  assert.equal(made.json['name'], 'twice');
});

test('the problem names the field', async () => {
  const answer = await post('/api/v1/hosts', { body: { name: 'UPPER' } });
  assertProblem(answer, 400, 'request-invalid');
  assert.equal(answer.json['field'], 'body/name');
  assertProblem(await admin('/api/v1/hosts?limit=0'), 400, 'request-invalid');
  assertProblem(await admin('/api/v1/hosts?limit=1&limit=2'), 400, 'request-invalid');
  assertProblem(await admin('/api/v1/hosts?unknown=1'), 400, 'request-invalid');
});

test('a request id of the caller comes back, a strange one is replaced', async () => {
  assert.equal(
    (await admin('/healthz', { headers: { 'x-request-id': 'my-1.2_3' } })).headers['x-request-id'],
    'my-1.2_3',
  );
  for (const id of ['a b', 'x'.repeat(65), '<script>']) {
    const answer = await admin('/nothing', { headers: { 'x-request-id': id } });
    assert.match(String(answer.headers['x-request-id']), /^r[0-9a-f]{20}$/);
  }
});

test('every answer, errors too, carries the headers that keep a browser from doing harm', async () => {
  for (const path of ['/docs', '/healthz', '/nothing']) {
    const { headers } = await admin(path);
    assert.match(String(headers['content-security-policy']), /^default-src 'none'/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['set-cookie'], undefined);
  }
  assert.doesNotMatch((await admin('/docs')).text, /<script|<style| style=| on\w+=/);
});

test('an update is refused when the thing changed since it was read', async () => {
  const made = await post('/api/v1/hosts', { body: { name: 'versioned' } });
  const path = `/api/v1/hosts/${String(made.json['id'])}`;
  assert.equal(made.headers['etag'], `"${Number(made.json['version'])}"`);
  const tag = { 'if-match': made.headers['etag'] ?? '' };
  const body = { tags: ['one'] };
  assert.equal((await admin(path, { method: 'PATCH', body, headers: tag })).status, 200);
  assertProblem(await admin(path, { method: 'PATCH', body, headers: tag }), 412, 'version-mismatch');
  assertProblem(await admin(path, { method: 'PATCH', body, headers: { 'if-match': '3' } }), 400, 'request-invalid');
  assertProblem(await post('/api/v1/hosts', { body: { name: 'x1' }, headers: tag }), 400, 'request-invalid');
});

test('a request repeated with its Idempotency-Key gets the first answer and changes nothing', async () => {
  const headers = { 'idempotency-key': 'once-1' };
  const first = await post('/api/v1/tokens', { body: { name: 'once' }, headers });
  const { revision } = running.server.deps.store.position();
  const again = await post('/api/v1/tokens', { body: { name: 'once' }, headers });
  assert.equal(first.status, 201);
  assert.equal(again.status, 201);
  assert.deepEqual(again.json, first.json);
  assert.equal(again.headers['idempotency-replayed'], 'true');
  assert.equal(running.server.deps.store.position().revision, revision);
  const other = await post('/api/v1/tokens', { body: { name: 'other' }, headers });
  assertProblem(other, 422, 'idempotency-mismatch');
  const elsewhere = await post('/api/v1/hosts', { body: { name: 'elsewhere' }, headers });
  assertProblem(elsewhere, 422, 'idempotency-mismatch');
  const key = await running.makeKey('operator');
  const somebody = await running.ask('/api/v1/tokens', { method: 'POST', body: { name: 'once' }, headers, key });
  assert.notEqual(somebody.json['id'], first.json['id']);
  const bad = { 'idempotency-key': 'with space' };
  assertProblem(await post('/api/v1/tokens', { body: {}, headers: bad }), 400, 'request-invalid');
});

test('a failed request may be repeated with the same Idempotency-Key', async () => {
  const headers = { 'idempotency-key': 'failing' };
  assertProblem(await post('/api/v1/hosts', { body: { name: 'versioned' }, headers }), 409, 'name-taken');
  assertProblem(await post('/api/v1/hosts', { body: { name: 'versioned' }, headers }), 409, 'name-taken');
});

test('failures are slowed down, whoever has valid credentials is not', async () => {
  const own = await startTestServer({ limits: { maxFailures: 3, windowSeconds: 60 } });
  const statuses: number[] = [];
  for (let i = 0; i < 5; i += 1) statuses.push((await own.ask('/api/v1/hosts', { key: 'wrn_wrong' })).status);
  assert.deepEqual(statuses, [401, 401, 401, 429, 429]);
  const limited = await own.ask('/api/v1/hosts');
  assertProblem(limited, 429, 'rate-limited');
  assert.ok(Number(limited.headers['retry-after']) >= 1);
  assert.equal((await own.ask('/api/v1/hosts', { key: own.adminKey })).status, 200);
  await own.enroll();
  await own.stop();
});

test('bytes that are no request are answered with a problem', async () => {
  const { port } = running.server;
  const say = (bytes: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, ca: running.ca });
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      socket.once('error', reject).once('close', () => {
        resolve(text);
      });
      socket.write(bytes);
    });
  assert.match(await say('HELLO\r\n\r\n'), /^HTTP\/1.1 400 [^]*application\/problem\+json/);
  const large = `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`;
  assert.match(await say(large), /^HTTP\/1.1 431 [^]*headers-too-large/);
  const slow =
    'POST /agent/v1/enroll HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{';
  const [headers, body] = await Promise.all([say('GET / HTTP/1.1\r\nhost: x\r\n'), say(slow)]);
  assert.match(headers, /^HTTP\/1.1 408 /);
  assert.match(body, /^HTTP\/1.1 408 /);
});

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { operations } from '../shared/api/index.ts';
import type { OpenApiDocument } from '../server/http/openapi.ts';
import { routes } from '../server/routes/index.ts';
import { type TestServer, startTestServer } from './server/http/test-server.ts';

let running: TestServer;
let document: OpenApiDocument;
before(async () => {
  running = await startTestServer();
  document = JSON.parse((await running.ask('/openapi.json')).text) as OpenApiDocument;
});
after(() => running.stop());

const pages = new Set(routes.filter((route) => route.kind === 'page').map((route) => route.op.id));

test('every operation that is not a page is in the document, once, and nothing else', () => {
  const listed = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => `${method.toUpperCase()} ${path} ${operation.operationId}`),
  );
  const declared = operations.filter((op) => !pages.has(op.id)).map((op) => `${op.method} ${op.path} ${op.id}`);
  assert.deepEqual(listed.sort(), declared.sort());
  assert.match(document.openapi, /^3\.1\./);
});

test('each operation says who may call it, which problems it has and which headers it takes', () => {
  for (const op of operations.filter((op) => !pages.has(op.id))) {
    const found = document.paths[op.path]?.[op.method.toLowerCase()];
    assert.ok(found, op.id);
    const isOpen = op.access === 'public' || op.access === 'enroll';
    const scheme = op.access === 'agent' ? 'hostCertificate' : 'apiKey';
    assert.deepEqual(found.security, isOpen ? [] : [{ [scheme]: [] }], op.id);
    assert.ok('default' in found.responses && '400' in found.responses, op.id);
    assert.equal('401' in found.responses, op.access !== 'public', op.id);
    const references = (found.parameters ?? []).map((parameter) => parameter.$ref);
    assert.equal(references.includes('#/components/parameters/IfMatch'), op.isConditional, op.id);
    const isRetried = op.method !== 'GET' && op.access !== 'enroll';
    assert.equal(references.includes('#/components/parameters/IdempotencyKey'), isRetried, op.id);
  }
});

test('every reference in the document leads somewhere', () => {
  const text = JSON.stringify(document);
  for (const [, reference = ''] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    let value: unknown = document;
    for (const part of reference.split('/')) value = (value as Record<string, unknown> | undefined)?.[part];
    assert.notEqual(value, undefined, reference);
  }
});

test('the page for people names every operation of the document', async () => {
  const { text } = await running.ask('/docs');
  for (const op of operations.filter((op) => !pages.has(op.id))) assert.ok(text.includes(`id="${op.id}"`), op.id);
});

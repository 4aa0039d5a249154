import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/**
 * Imports point one way. One table of what a place may not import and why; each import in the tree is held against every
 * row. A place or target ending in '/' is a folder, otherwise a file; `not` lists places a row does not hold for.
 */
interface Rule {
  from: string[];
  not?: string[];
  /** Module names (`fastify`, `node:`) or places of the tree. */
  to: string[];
  why: string;
}

const rules: Rule[] = [
  { from: ['shared/'], to: ['node:'], why: 'shared/ runs anywhere and does no I/O' },
  { from: ['shared/'], to: ['server/', 'agent/', 'cli/', 'test/'], why: 'shared/ is what the others agree on' },
  { from: ['agent/'], to: ['server/', 'cli/', 'test/'], why: 'agent and server meet only over the wire' },
  { from: ['server/'], to: ['agent/', 'cli/', 'test/'], why: 'agent and server meet only over the wire' },
  { from: ['cli/'], to: ['test/'], why: 'nothing ships its tests' },
  {
    from: ['cli/admin/'],
    to: ['server/', 'agent/', 'cli/host/', 'cli/server/'],
    why: 'admin commands are only clients of the API',
  },
  { from: ['cli/host/'], to: ['server/', 'cli/admin/', 'cli/server/'], why: 'a host needs no server code' },
  { from: ['cli/server/'], to: ['agent/', 'cli/admin/', 'cli/host/'], why: 'a server needs no agent code' },
  {
    from: ['agent/', 'server/', 'shared/', 'cli/'],
    not: ['agent/system/run.ts', 'agent/install/build.ts', 'agent/install/bundle.ts'],
    to: ['execa', 'node:child_process'],
    why: 'external programs run in one place, without a shell, with a timeout',
  },
  {
    from: ['agent/', 'server/', 'shared/', 'cli/'],
    not: ['server/pki/', 'agent/identity.ts'],
    to: ['node-forge'],
    why: 'certificates are made in one place a side',
  },
  {
    from: ['agent/', 'server/', 'shared/', 'cli/'],
    not: ['server/app.ts', 'server/http/', 'server/routes/'],
    to: ['fastify', 'fastify-type-provider-zod', '@fastify/helmet', '@fastify/rate-limit', '@fastify/swagger'],
    why: 'HTTP stays at the edge',
  },
  {
    from: ['agent/', 'server/', 'shared/', 'cli/'],
    not: ['agent/psk/kem.ts'],
    to: ['@noble/'],
    why: 'keys are agreed on in one place',
  },
  {
    from: ['agent/', 'server/', 'shared/', 'cli/'],
    not: ['server/store/'],
    to: ['better-sqlite3', 'kysely'],
    why: 'SQL only in server/store/',
  },
  {
    from: [
      'agent/plan/',
      'agent/lock/admit.ts',
      'agent/lock/alarms.ts',
      'agent/names/zone.ts',
      'agent/names/link-variables.ts',
      'agent/docker/containers.ts',
      'agent/docker/network.ts',
      'agent/hooks/reach.ts',
      'agent/hooks/events.ts',
      'agent/psk/pair.ts',
      'agent/psk/times.ts',
      'server/netmap/',
      'server/policy/',
      'server/ipam/',
      'server/discovery/',
    ],
    to: ['node:', 'pino', 'execa', 'kysely'],
    why: 'these decide: no clock, no I/O, no logger',
  },
  {
    from: ['agent/plan/'],
    to: ['agent/system/', 'agent/local/', 'agent/attach/', 'agent/run.ts', 'agent/apply.ts', 'agent/observe.ts'],
    why: 'plan knows only what it is given',
  },
  {
    from: ['agent/docker/', 'agent/names/'],
    to: ['agent/system/', 'agent/apply/', 'agent/apply.ts', 'agent/observe.ts', 'agent/local/client.ts'],
    why: 'these rooms know the engine and the zone; the kernel is the reconciler’s',
  },
  {
    from: ['agent/system/'],
    to: ['agent/run.ts', 'agent/reconcile.ts', 'agent/apply.ts', 'agent/observe.ts', 'agent/local/', 'agent/stream.ts'],
    why: 'system is the lowest room of the agent',
  },
  {
    from: ['server/store/'],
    to: [
      'server/routes/',
      'server/http/',
      'server/feed/',
      'server/backups/',
      'server/enroll/',
      'server/hosts/',
      'server/pki/',
      'server/web/',
    ],
    why: 'the store knows nobody above it',
  },
  {
    from: [
      'server/enroll/',
      'server/hosts/',
      'server/subnets/',
      'server/workloads/',
      'server/tokens/',
      'server/lock/',
      'server/keys/',
      'server/feed/',
    ],
    to: ['server/routes/', 'server/web/', 'server/app.ts', 'server/main.ts'],
    why: 'the domain does not know who asks',
  },
  { from: ['server/netmap/', 'server/ipam/', 'server/discovery/'], to: ['server/store/open.ts'], why: 'pure' },
];

const root = fileURLToPath(new URL('..', import.meta.url));

test('no import crosses a forbidden line', () => {
  const broken = sources().flatMap((file) =>
    importsOf(file).flatMap(({ target, isTypeOnly }) =>
      rules
        .filter((rule) => !isTypeOnly || !rule.to.includes(target))
        .filter((rule) => holds(rule, file) && rule.to.some((to) => matches(to, target)))
        .map((rule) => `${file} imports ${target}: ${rule.why}`),
    ),
  );
  assert.deepEqual(broken, []);
});

test('the table bites: a forbidden import of each row is found', () => {
  for (const rule of rules) {
    const [from = '', to = ''] = [rule.from[0], rule.to[0]];
    const file = from.endsWith('/') ? `${from}some/file.ts` : from;
    assert.ok(holds(rule, file), from);
    assert.ok(matches(to, to.endsWith('/') ? `${to}x.ts` : to === 'node:' ? 'node:fs' : to), to);
  }
});

test('the environment is read only where configuration is', () => {
  const readers = sources().filter((file) => /\bprocess\.env\b/.test(code(file)));
  const allowed = /^(server\/config\.ts|agent\/config\.ts|agent\/system\/run\.ts|agent\/install\/build\.ts|cli\/)/;
  assert.deepEqual(
    readers.filter((file) => !allowed.test(file)),
    [],
  );
});

test('nobody imports in a circle between rooms of the server or the agent', () => {
  const edges = new Map<string, Set<string>>();
  for (const file of sources()) {
    for (const { target, isTypeOnly } of importsOf(file)) {
      const [from, to] = [room(file), room(target)];
      if (isTypeOnly || from === undefined || to === undefined || from === to) continue;
      edges.set(from, (edges.get(from) ?? new Set()).add(to));
    }
  }
  const circles = [...edges].flatMap(([from, tos]) =>
    [...tos].filter((to) => from < to && edges.get(to)?.has(from) === true).map((to) => `${from} <-> ${to}`),
  );
  assert.deepEqual(circles, []);
});

function holds(rule: Rule, file: string): boolean {
  const within = (place: string): boolean => matches(place, file);
  return rule.from.some(within) && !(rule.not ?? []).some(within);
}

function matches(place: string, target: string): boolean {
  return place.endsWith('/') || place.endsWith(':') ? target.startsWith(place) : target === place;
}

/** The folder that makes a room, for example `server/store`; undefined for packages and top files. */
function room(file: string): string | undefined {
  return /^(?:server|agent)\/[a-z]+(?=\/)/.exec(file)?.[0];
}

function sources(): string[] {
  return ['shared', 'server', 'agent', 'cli'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `${folder}/${name}`),
  );
}

interface Import {
  target: string;
  isTypeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const found = code(file).matchAll(
    /(?:^|\n)\s*(?:import|export)(\s+type)?\s[^'";]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)/g,
  );
  return [...found].map(([, type, fixed, dynamic]) => ({
    target: resolve(file, fixed ?? dynamic ?? ''),
    isTypeOnly: type !== undefined,
  }));
}

function resolve(file: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  return relative(root, normalize(join(root, file, '..', specifier)));
}

function code(file: string): string {
  return readFileSync(join(root, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '');
}

/** Renders the OpenAPI document as one readable HTML page. Everything of the document is escaped, nothing is trusted. */
import type { OpenApiDocument, OpenApiOperation } from '../http/openapi.ts';

interface Entry {
  readonly method: string;
  readonly path: string;
  readonly operation: OpenApiOperation;
}

export function renderDocs(document: OpenApiDocument): string {
  const groups = groupByTag(entriesOf(document));
  const { title, version, description = '' } = document.info;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)} API</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<h1>${escape(title)} API ${escape(version)}</h1>
<p>${inline(description)} The same for programs: <a href="/openapi.json">/openapi.json</a>.</p>
<nav><ul>
${[...groups.values()].flat().map(renderLink).join('\n')}
</ul></nav>
${[...groups].map(([tag, entries]) => `<h2>${escape(tag)}</h2>\n${entries.map(renderEntry).join('\n')}`).join('\n')}
</body>
</html>
`;
}

function entriesOf(document: OpenApiDocument): Entry[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

function groupByTag(entries: readonly Entry[]): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const tag = entry.operation.tags?.[0] ?? 'other';
    groups.set(tag, [...(groups.get(tag) ?? []), entry]);
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function renderLink({ operation, method, path }: Entry): string {
  return `<li><a href="#${escape(operation.operationId)}">${escape(`${method} ${path}`)}</a></li>`;
}

function renderEntry({ method, path, operation }: Entry): string {
  return `<section id="${escape(operation.operationId)}">
<h3><code>${escape(`${method} ${path}`)}</code></h3>
<p>${inline(operation.summary)}. ${inline(operation.description ?? '')}</p>
${renderParameters(operation)}
${renderJson('Request body', schemaIn(operation.requestBody))}
${renderResponses(operation)}
</section>`;
}

function renderParameters({ parameters = [] }: OpenApiOperation): string {
  if (parameters.length === 0) return '';
  const rows = parameters.map(({ name, in: where, required, schema, $ref }) => {
    if ($ref !== undefined) return row($ref.split('/').at(-1) ?? '', 'header', '');
    return row(name ?? '', `${where ?? ''}${required === true ? ', required' : ''}`, JSON.stringify(schema));
  });
  return `<table><tr><th>Parameter</th><th>In</th><th>Schema</th></tr>${rows.join('')}</table>`;
}

function row(...cells: string[]): string {
  return `<tr>${cells.map((cell) => `<td><code>${escape(cell)}</code></td>`).join('')}</tr>`;
}

function renderResponses({ responses }: OpenApiOperation): string {
  const problems = Object.keys(responses).filter((status) => isReference(responses[status]));
  const replies = Object.entries(responses).filter(([status]) => !problems.includes(status));
  const shown = replies.map(
    ([status, reply]) => renderJson(`Reply ${status}`, schemaIn(reply)) || `<p>Reply ${escape(status)}.</p>`,
  );
  return `${shown.join('\n')}\n<p>Problems: ${escape(problems.join(', '))}.</p>`;
}

function isReference(value: unknown): boolean {
  return typeof value === 'object' && value !== null && '$ref' in value;
}

/** The first schema below `content`, where there is one. */
function schemaIn(value: unknown): unknown {
  const content = (value as { content?: Record<string, { schema?: unknown }> } | undefined)?.content;
  return Object.values(content ?? {})[0]?.schema;
}

function renderJson(title: string, value: unknown): string {
  if (value === undefined) return '';
  const json = escape(JSON.stringify(value, undefined, 2));
  return `<details><summary>${escape(title)}</summary><pre>${json}</pre></details>`;
}

/** Text with `code` in it. */
function inline(text: string): string {
  return escape(text).replace(/`([^`]*)`/g, '<code>$1</code>');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (char) => entities[char] ?? '');
}

/** `/openapi.json` and `/docs`, which is the same for people: plain HTML and one style sheet, no scripts. */
import { operation } from '../../shared/api/route.ts';
import { type Route, page } from '../http/handler.ts';
import type { OpenApiDocument } from '../http/openapi.ts';
import { renderDocs } from './docs.ts';
import { docsStyle } from './docs-style.ts';

const showOpenApi = declare('docs.openapi', '/openapi.json', 'The API as an OpenAPI 3.1 document');
const showDocs = declare('docs.page', '/docs', 'The API for people');
const showStyle = declare('docs.style', '/docs/style.css', 'The look of /docs');

function declare(id: string, path: string, summary: string) {
  return operation({ id, method: 'GET', path, access: 'public', summary });
}

export function createDocsRoutes(document: () => OpenApiDocument): Route[] {
  let json: string | undefined;
  let html: string | undefined;
  return [
    page(showOpenApi, () => {
      json ??= JSON.stringify(document());
      return Promise.resolve({ contentType: 'application/json; charset=utf-8', body: json });
    }),
    page(showDocs, () => {
      html ??= renderDocs(document());
      return Promise.resolve({ contentType: 'text/html; charset=utf-8', body: html });
    }),
    page(showStyle, () => Promise.resolve({ contentType: 'text/css; charset=utf-8', body: docsStyle })),
  ];
}

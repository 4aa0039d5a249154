/** Aligned columns for people. Pure: knows no stream. */

export interface Table {
  /** Headers; an empty list prints rows alone. */
  readonly columns: readonly string[];
  readonly rows: ReadonlyArray<readonly (string | number | null | undefined)[]>;
}

/** A table of `name: value` lines, for one thing. */
export function fieldTable(fields: Readonly<Record<string, string | number | null | undefined>>): Table {
  return { columns: [], rows: Object.entries(fields).map(([name, value]) => [`${name}:`, value]) };
}

export interface TableStyle {
  readonly isColored: boolean;
  readonly width: number | undefined;
}

const gap = 2;
/** Columns are not cut to less than this, so that an id's or prefix's beginning can still be told. */
const narrowest = 8;

export function formatTable(table: Table, style: TableStyle): string {
  const rows = table.rows.map((row) => row.map(cell));
  const header = table.columns.map((name) => name.toUpperCase());
  const natural = columnWidths([header, ...rows]);
  const widths = header.length === 0 ? natural : fit(natural, style.width);
  const lines = rows.map((row) => formatRow(row, widths));
  if (header.length > 0) {
    const line = formatRow(header, widths);
    lines.unshift(style.isColored ? `\u001b[1m${line}\u001b[22m` : line);
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** Control characters become '?', so that a value cannot move the cursor or forge a line; newlines and tabs stay in texts. */
export function readable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?');
}

function cell(value: string | number | null | undefined): string {
  if (value === null || value === undefined || value === '') return '-';
  return readable(String(value)).replace(/[\n\t]+/g, ' ');
}

function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((text, i) => {
      widths[i] = Math.max(widths[i] ?? 0, text.length);
    });
  }
  return widths;
}

/** Takes from the widest column until the line fits. */
function fit(widths: readonly number[], width: number | undefined): number[] {
  const fitted = [...widths];
  if (width === undefined) return fitted;
  let excess = fitted.reduce((sum, one) => sum + one, gap * (fitted.length - 1)) - width;
  while (excess > 0) {
    const widest = fitted.indexOf(Math.max(...fitted));
    const now = fitted[widest] ?? 0;
    if (now <= narrowest) break;
    fitted[widest] = now - 1;
    excess -= 1;
  }
  return fitted;
}

function formatRow(row: readonly string[], widths: readonly number[]): string {
  const cells = row.map((text, i) => {
    const width = widths[i] ?? text.length;
    const cut = text.length > width ? `${text.slice(0, width - 1)}…` : text;
    return cut + ' '.repeat(Math.max(0, width - cut.length));
  });
  return cells.join(' '.repeat(gap)).trimEnd();
}

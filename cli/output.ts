/**
 * Where a command's results go: data to stdout as JSON or as text for people, notes to stderr. Nothing a stranger chose
 * reaches a terminal with its control characters.
 */
import { type Table, formatTable, readable } from './table.ts';

export { type Table, fieldTable } from './table.ts';

export interface Output {
  readonly isJson: boolean;
  /** One result: the value as JSON, or else the table or text made of it. */
  data(value: unknown, table?: () => Table | string): void;
  /** The value as JSON, whatever was asked for: a program reads it. */
  json(value: unknown): void;
  /** One of many results that come over time: one line of JSON, or one line of text. */
  line(value: unknown, text: () => string): void;
  /** For people, on stderr, also with `--json`. */
  note(text: string): void;
}

export interface OutputTarget {
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
  readonly isJson: boolean;
  /** Bold headers; false with NO_COLOR or when stdout is no terminal. */
  readonly isColored: boolean;
  /** Columns of the terminal; undefined: lines are never cut. */
  readonly width: number | undefined;
}

export function createOutput(target: OutputTarget): Output {
  return {
    isJson: target.isJson,
    data(value, table) {
      if (target.isJson || table === undefined) {
        if (value !== undefined) target.write(`${JSON.stringify(value, undefined, 2)}\n`);
        return;
      }
      const shown = table();
      const text = typeof shown === 'string' ? `${readable(shown)}\n` : formatTable(shown, target);
      target.write(text);
    },
    json(value) {
      target.write(`${JSON.stringify(value, undefined, 2)}\n`);
    },
    line(value, text) {
      target.write(`${target.isJson ? JSON.stringify(value) : readable(text())}\n`);
    },
    note(text) {
      target.writeError(`${readable(text)}\n`);
    },
  };
}

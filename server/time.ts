/** Times as the API writes them (RFC 3339, UTC, milliseconds) and as everything inside counts them (ms since 1970). */

export function formatTime(at: number): string {
  return new Date(at).toISOString();
}

export function formatMaybe(at: number | null | undefined): string | null {
  return at === null || at === undefined ? null : formatTime(at);
}

/** Of a text that its schema found to be a time. */
export function readTime(text: string): number {
  return Date.parse(text);
}

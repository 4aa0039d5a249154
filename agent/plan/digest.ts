/**
 * A 64-bit fingerprint (two FNV-1a runs with different offsets) that tells one generated text from another. Not a
 * defence against forgery: whoever may change nftables rules is root already.
 */
export function digestOf(text: string): string {
  return fnv(text, 0x811c9dc5) + fnv(text, 0x6d2b79f5);
}

function fnv(text: string, offset: number): string {
  let hash = offset;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}

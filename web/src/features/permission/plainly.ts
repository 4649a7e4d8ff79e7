/**
 * Arguments as they are, for somebody who decides about them. Invariant: two calls that differ look different;
 * characters that nobody sees, or that turn text around, are spelled out.
 */

/** From, to: code points that show nothing or move what stands beside them. */
const UNSEEN: [number, number][] = [
  [0x00, 0x08],
  [0x0b, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x61c, 0x61c],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x2069],
  [0xfeff, 0xfeff],
];

function spelled(text: string): string {
  let shown = '';
  for (const letter of text) {
    const code = letter.codePointAt(0) ?? 0;
    const unseen = UNSEEN.some(([from, to]) => code >= from && code <= to);
    shown += unseen ? `\\u${code.toString(16).padStart(4, '0')}` : letter;
  }
  return shown;
}

export interface Field {
  name: string;
  text: string;
}

/** One field after the other; text stands as text, everything else as JSON. */
export function fields(given: unknown): Field[] {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    return [{ name: '', text: spelled(JSON.stringify(given, null, 2) ?? '') }];
  }
  return Object.entries(given).map(([name, value]) => ({
    name: spelled(name),
    text: spelled(typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? '')),
  }));
}

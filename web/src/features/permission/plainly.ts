/**
 * Arguments as they are, for somebody who decides about them. Invariant: two calls that differ look different;
 * characters that nobody sees, or that turn text around, are spelled out.
 */

const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

const spelled = (text: string): string =>
  text.replace(UNSEEN, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);

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

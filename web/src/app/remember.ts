/** Small choices kept in the browser. Storage can be switched off or full; then they last as long as the page. */

const PREFIX = 'coditect.';

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, value);
  } catch {
    // Nothing to do: the choice holds for this page.
  }
}

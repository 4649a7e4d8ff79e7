import type { Lock, Wait } from '@/api/nouns';

/** Who waits for this lock, longest first. */
export function waitersOf(lock: Lock, waits: readonly Wait[]): Wait[] {
  return waits
    .filter((wait) => wait.blocked_by.some((other) => other.token === lock.token && other.path === lock.path))
    .toSorted((a, b) => a.since.localeCompare(b.since));
}

/** Fuzzy match for the palette: all letters in order; starts of words and runs count most. */

/** A match this much worse than the best one is noise. */
const WORTH = 0.5;

/** Higher is better; null when `query` does not occur in order. */
export function score(query: string, text: string): number | null {
  const wanted = query.toLowerCase().replaceAll(/\s+/g, '');
  const given = text.toLowerCase();
  let total = 0;
  let at = -1;
  for (const letter of wanted) {
    const next = given.indexOf(letter, at + 1);
    if (next < 0) return null;
    if (next === at + 1) total += 3;
    if (next === 0 || /[\s:./_-]/.test(given[next - 1] ?? '')) total += 2;
    total -= Math.min(2, (next - at - 1) / 8);
    at = next;
  }
  return total - given.length / 200;
}

/** The candidates that match, best first; all of them in their own order for an empty query. */
export function best<T>(query: string, candidates: readonly T[], text: (candidate: T) => string): T[] {
  if (query.trim() === '') return [...candidates];
  const scored: { candidate: T; points: number }[] = [];
  for (const candidate of candidates) {
    const points = score(query, text(candidate));
    if (points !== null) scored.push({ candidate, points });
  }
  const top = Math.max(...scored.map((one) => one.points));
  return scored
    .filter((one) => one.points >= top * WORTH)
    .toSorted((a, b) => b.points - a.points)
    .map((one) => one.candidate);
}

/** Lines of a text shown before somebody asks for all of it. */
export const CLIP_LINES = 8;
/** Characters of it, for texts of a few very long lines. */
export const CLIP_CHARACTERS = 1200;

/** The beginning of a text and how many of its lines are not in it. A line or two more are not worth a click. */
export function clip(text: string): { shown: string; hidden: number } {
  const lines = text.split('\n');
  const few = lines.length <= CLIP_LINES + 2;
  if (few && text.length <= CLIP_CHARACTERS) return { shown: text, hidden: 0 };
  const kept: string[] = [];
  let length = 0;
  for (const line of few ? lines : lines.slice(0, CLIP_LINES)) {
    const room = CLIP_CHARACTERS - length;
    if (line.length > room) {
      // Half a line is better than none when it is the first.
      if (kept.length === 0) kept.push(`${line.slice(0, room)}…`);
      break;
    }
    kept.push(line);
    length += line.length;
  }
  return { shown: kept.join('\n').trimEnd(), hidden: Math.max(1, lines.length - kept.length) };
}

import { expect, it } from 'vitest';
import { clip, CLIP_CHARACTERS, CLIP_LINES } from './clip';

const lines = (count: number) => Array.from({ length: count }, (_, n) => `line ${n}`).join('\n');

it('leaves a text alone that is short, or only a little longer', () => {
  for (const text of ['', 'a', lines(CLIP_LINES), lines(CLIP_LINES + 2)])
    expect(clip(text)).toEqual({ shown: text, hidden: 0 });
});

it('shows the first lines of a long one and says how many are left', () => {
  expect(clip(lines(100))).toEqual({ shown: lines(CLIP_LINES), hidden: 100 - CLIP_LINES });
});

it('cuts lines without end', () => {
  const { shown, hidden } = clip('x'.repeat(100_000));
  expect(shown.length).toBe(CLIP_CHARACTERS + 1);
  expect(hidden).toBe(1);
  expect(clip(`short\n${'x'.repeat(5000)}`)).toEqual({ shown: 'short', hidden: 1 });
});

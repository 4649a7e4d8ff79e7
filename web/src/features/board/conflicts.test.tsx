import { cleanup, render } from '@testing-library/react';
import { afterEach, expect, it } from 'vitest';
import type { CardConflict } from '@/api/nouns';
import { Conflicts } from './conflicts';

afterEach(cleanup);
const one = (kind: CardConflict['kind'], fields: Partial<CardConflict> = {}): CardConflict => ({
  id: 'cfl',
  kind,
  paths: ['src/a.rs'],
  more: 0,
  with: ['/w/other'],
  ...fields,
});

it('says how bad the worst conflict is and in which files, and the others on demand', () => {
  const { container } = render(
    <Conflicts
      conflicts={[
        one('merge_conflict', { paths: ['src/a.rs', 'b.rs'], more: 1 }),
        one('same_file', { with: [] }),
      ]}
    />,
  );
  expect(container.textContent).toBe('Merge conflict: src/a.rs and 2 more, 1 more conflict');
  const all = container.querySelector('p');
  expect(all?.title).toBe('Merge conflict: src/a.rs, b.rs and 1 more, with /w/other\nSame file: src/a.rs');
  expect(all?.className).toContain('text-danger');
  cleanup();
  expect(render(<Conflicts conflicts={[one('same_file')]} />).container.innerHTML).toContain('text-warn');
});

it('says nothing where there is none', () => {
  expect(render(<Conflicts conflicts={[]} />).container.innerHTML).toBe('');
});

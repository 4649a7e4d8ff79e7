import { expect, it } from 'vitest';
import { Builder } from '../../../e2e/builder';
import { changesByFile } from './by-file';

it('gathers the changes of a file over tasks and agents', () => {
  const b = new Builder(0);
  const session = b.session(
    'One',
    'idle',
    1,
    [
      ['claude', 'idle', 1],
      ['gemini', 'idle', 1],
    ],
    0,
  );
  const first = b.task(session, 'work', '1', ['claude'], 'completed', 1);
  const second = b.task(session, 'work', '2', ['gemini'], 'completed', 1);
  b.change(first, 'claude', 'src/b.rs', 5, 0);
  b.change(first, 'claude', 'src/a.rs', 1, 1);
  b.change(second, 'gemini', 'src/b.rs', 2, 3);
  const files = changesByFile(b.world.tasks);
  expect(files.map((file) => file.path)).toEqual(['src/a.rs', 'src/b.rs']);
  expect(files[1]).toMatchObject({ created: true, added: 7, removed: 3 });
  expect(files[1]?.participants).toHaveLength(2);
});

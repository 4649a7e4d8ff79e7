import { expect, it } from 'vitest';
import { diffOf, mainArgument, sizeOf } from './tool';

it('shows the argument that says most', () => {
  expect(mainArgument('bash', { command: 'ls', timeout_ms: 5 })).toBe('ls');
  expect(mainArgument('search_files', { path: 'src', pattern: 'x' })).toBe('x');
  expect(mainArgument('unknown_tool', { n: 1, word: 'first string' })).toBe('first string');
  for (const given of [null, undefined, 'x', 3, []]) expect(mainArgument('bash', given)).toBe('');
});

it('shows an edit as what went out and came in, with what stayed around it', () => {
  const lines = diffOf('edit_file', { path: 'a', old: 'one\ntwo\nthree\n', new: 'one\n2\nthree\n' });
  expect(lines?.map((line) => line.sign + line.text)).toEqual([' one', '−two', '+2', ' three']);
});

it('shows a new file as added lines, and nothing for other tools', () => {
  expect(diffOf('write_file', { path: 'a', content: 'x\ny\n' })?.map((line) => line.sign)).toEqual([
    '+',
    '+',
  ]);
  expect(diffOf('bash', { command: 'x' })).toBeNull();
  expect(diffOf('edit_file', null)).toBeNull();
});

it('counts what an edit puts in and takes out', () => {
  expect(sizeOf('edit_file', { path: 'a', old: 'one\ntwo', new: 'one\n2\n3' })).toEqual({
    added: 2,
    removed: 1,
  });
  expect(sizeOf('bash', { command: 'x' })).toBeNull();
});

it('says what was told and where', () => {
  expect(mainArgument('send_notice', { channel: 'state', text: 'hello' })).toBe('state: hello');
  expect(mainArgument('send_notice', {})).toBe('');
});

import { expect, it } from 'vitest';
import type { Lock, Wait } from '@/api/nouns';
import { tokenWord } from './table';
import { waitersOf } from './waiters';

const lock = (token: number, path: string) => ({ token, path }) as Lock;
const wait = (agent: string, since: string, blocked_by: Lock[]) =>
  ({ waiter: agent, agent, since, blocked_by }) as Wait;

it('finds who waits for a lock, the longest first', () => {
  const a = lock(1, 'a.rs');
  const other = lock(2, 'b.rs');
  const waits = [wait('kimi', '2', [a]), wait('gemini', '1', [a, other]), wait('codex', '0', [other])];
  expect(waitersOf(a, waits).map((one) => one.agent)).toEqual(['gemini', 'kimi']);
});

it('writes a token as epoch and counter', () => {
  expect(tokenWord(7)).toBe('7');
  expect(tokenWord(3 * 2 ** 40 + 12)).toBe('3·12');
});

import { expect, it } from 'vitest';
import { best, score } from './match';

const list = ['Theme: dark', 'Show the plan', 'Go to mission control', 'Split the lock table'];
const found = (query: string) => best(query, list, (one) => one);

it('finds letters in order and nothing else', () => {
  expect(score('gmc', 'Go to mission control')).not.toBeNull();
  expect(score('cmg', 'Go to mission control')).toBeNull();
});

it('puts starts of words and runs first', () => {
  expect(found('th')[0]).toBe('Theme: dark');
  expect(found('plan')[0]).toBe('Show the plan');
  expect(found('lock')).toEqual(['Split the lock table']);
});

it('keeps the given order without a query', () => {
  expect(found(' ')).toEqual(list);
});

it('finds nothing rather than anything', () => {
  expect(found('zzz')).toEqual([]);
});

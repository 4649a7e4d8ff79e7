import { expect, it } from 'vitest';
import { capsOf } from './keys';
import { cost, dollars, many, short } from './figures';
import { age, elapsed } from './time';

it.each([
  [0, '0s'],
  [-5000, '0s'],
  [59_999, '59s'],
  [60_000, '1m'],
  [3_600_000, '1h'],
  [86_400_000, '1d'],
])('age of %d ms is %s', (ms, word) => expect(age(ms)).toBe(word));

it.each([
  [0, '0:00'],
  [41_000, '0:41'],
  [723_000, '12:03'],
  [3_723_000, '1:02:03'],
])('elapsed %d ms is %s', (ms, word) => expect(elapsed(ms)).toBe(word));

it.each([
  [0, '$0.00'],
  [9_999, '<$0.01'],
  [10_000, '$0.01'],
  [1_842_000, '$1.84'],
])('%d micros are %s', (micros, word) => expect(dollars(micros)).toBe(word));

it.each([
  [812, '812'],
  [12_400, '12.4k'],
  [12_000, '12k'],
  [309_500, '310k'],
  [1_200_000, '1.2M'],
])('%d is %s for short', (count, word) => expect(short(count)).toBe(word));

it('counts in words', () => {
  expect([many(1, 'lock'), many(0, 'lock'), many(2, 'lock')]).toEqual(['1 lock', '0 locks', '2 locks']);
});

it('writes keys as they stand on the keyboard', () => {
  expect(capsOf('$mod+KeyK')).toEqual([['Ctrl', 'K']]);
  expect(capsOf('g h')).toEqual([['G'], ['H']]);
  expect(capsOf('Alt+Digit1')).toEqual([['Alt', '1']]);
  expect(capsOf('Shift+?')).toEqual([['?']]);
});

it('an amount says how sure it is', () => {
  const of = (cost_source: 'none' | 'table' | 'vendor' | 'mixed', cost_micros: number) =>
    cost({
      input_tokens: 1,
      output_tokens: 1,
      cache_read_tokens: 0,
      cache_write_tokens: 0,
      cost_micros,
      cost_source,
    });
  expect([of('vendor', 2e6), of('table', 2e6), of('mixed', 2e6), of('none', 0)]).toEqual([
    '$2.00',
    '~$2.00',
    '≥$2.00',
    '?',
  ]);
});

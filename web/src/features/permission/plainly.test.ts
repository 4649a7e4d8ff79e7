import { describe, expect, it } from 'vitest';
import { fields } from './plainly';

describe('arguments', () => {
  it('are shown field by field, text as text', () => {
    expect(fields({ command: 'a\nb', timeout: 7, list: [1] })).toEqual([
      { name: 'command', text: 'a\nb' },
      { name: 'timeout', text: '7' },
      { name: 'list', text: '[\n  1\n]' },
    ]);
    expect(fields('x')).toEqual([{ name: '', text: '"x"' }]);
    expect(fields(null)).toEqual([{ name: '', text: 'null' }]);
  });

  it('hide nothing', () => {
    expect(fields({ command: 'rm \u202etxt.a\u200b\r' })).toEqual([
      { name: 'command', text: 'rm \\u202etxt.a\\u200b\\u000d' },
    ]);
  });
});

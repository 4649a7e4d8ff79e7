import { beforeEach, describe, expect, it } from 'vitest';
import { extend, useLive, utf8Length } from './live';
import type { DeltaFrame, LiveTurn, Message } from './nouns';

const turn = (text: string): LiveTurn => ({
  session: 's',
  turn: 't',
  task: 'k',
  participant: 'p',
  text,
  thinking: '',
});
const delta = (text: string, offset: number, session = 's'): DeltaFrame => ({
  type: 'delta',
  session,
  turn: 't',
  participant: 'p',
  kind: 'text',
  offset,
  text,
});
const message = (text: string): Message => ({
  id: 'm',
  session: 's',
  task: 'k',
  turn: 't',
  participant: 'p',
  parent: null,
  role: 'assistant',
  blocks: [{ type: 'text', text }],
  usage: null,
  latency_ms: null,
  created_at: '',
});

describe('extend', () => {
  it('appends what fits', () => {
    expect(extend(turn('ab'), delta('cd', 2))?.text).toBe('abcd');
  });
  it('counts offsets in UTF-8 bytes', () => {
    for (const text of ['é', '→', '😀', 'a😀é'])
      expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
    expect(extend(turn('é😀'), delta('!', 6))?.text).toBe('é😀!');
  });
  it('takes only the news of what overlaps', () => {
    expect(extend(turn('é😀b'), delta('😀bc', 2))?.text).toBe('é😀bc');
    expect(extend(turn('abcd'), delta('bc', 1))?.text).toBe('abcd');
  });
  it('refuses a gap', () => {
    expect(extend(turn('ab'), delta('zz', 3))).toBeNull();
  });
  it('begins anew at offset 0', () => {
    expect(extend(turn('the old message'), delta('Now', 0))?.text).toBe('Now');
  });
});

describe('live turns', () => {
  beforeEach(() => {
    useLive.setState({ session: null, turns: {}, gaps: new Set(), commits: 0, committed: {} });
    useLive.getState().watch('s');
    useLive.getState().seed('s', [turn('ab')], 0);
  });
  const text = () => useLive.getState().turns.t?.text;

  it('hears only the session on the screen', () => {
    const before = useLive.getState();
    before.apply([delta('cd', 2, 'other')]);
    expect(useLive.getState()).toBe(before);
  });
  it('remembers a gap until the text so far was asked for', () => {
    useLive.getState().apply([delta('zz', 9)]);
    expect(useLive.getState().gaps).toContain('t');
    useLive.getState().seed('s', [turn('abcdefghizz')], 0);
    expect(useLive.getState().gaps.size).toBe(0);
  });
  it('asks for turns it has never heard of', () => {
    useLive.getState().apply([{ ...delta('x', 0), turn: 'unknown' }]);
    expect(useLive.getState().gaps).toContain('unknown');
  });
  it('lets go of the text when its message is committed', () => {
    useLive.getState().commit(message('ab and the rest'));
    expect(text()).toBe('');
  });
  it('keeps the beginning of the next message when that came first', () => {
    useLive.getState().apply([delta('Next', 0)]);
    useLive.getState().commit(message('ab and the rest'));
    expect(text()).toBe('Next');
  });
  it('does not bring back text whose message was committed while the answer was on its way', () => {
    const asked = useLive.getState().commits;
    useLive.getState().commit(message('ab'));
    useLive.getState().seed('s', [turn('ab')], asked);
    expect(text()).toBe('');
    useLive.getState().seed('s', [turn('The next')], useLive.getState().commits);
    expect(text()).toBe('The next');
  });
  it('does not go back behind what it has heard', () => {
    useLive.getState().apply([delta('cd', 2)]);
    useLive.getState().seed('s', [turn('abc')], 0);
    expect(text()).toBe('abcd');
  });
  it('forgets everything when another session is looked at', () => {
    useLive.getState().watch('other');
    useLive.getState().seed('s', [turn('late answer')], 0);
    expect(useLive.getState().turns).toEqual({});
  });
});

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Builder } from '../../../e2e/builder';
import { DRAFT_DELAY_MS, flushDrafts, keepDraft, readDraft, targetsOf, useTargets } from './drafts';

beforeEach(() => {
  flushDrafts();
  localStorage.clear();
  useTargets.setState({ of: {} });
});

describe('drafts', () => {
  it('are read back at once and written after the last key', () => {
    vi.useFakeTimers();
    keepDraft('ses', 'a');
    keepDraft('ses', 'ab');
    expect(readDraft('ses')).toBe('ab');
    expect(localStorage.getItem('coditect.draft.ses')).toBeNull();
    vi.advanceTimersByTime(DRAFT_DELAY_MS);
    expect(localStorage.getItem('coditect.draft.ses')).toBe('ab');
    vi.useRealTimers();
  });

  it('are written when the page goes away', () => {
    keepDraft('ses', 'almost lost');
    window.dispatchEvent(new Event('pagehide'));
    expect(localStorage.getItem('coditect.draft.ses')).toBe('almost lost');
  });

  it('leave nothing behind when they are sent', () => {
    keepDraft('ses', 'x');
    flushDrafts();
    keepDraft('ses', '');
    flushDrafts();
    expect(localStorage.getItem('coditect.draft.ses')).toBeNull();
  });

  it('are not lost when storage is full', () => {
    vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError');
    });
    keepDraft('ses', 'still here');
    expect(() => flushDrafts()).not.toThrow();
  });
});

describe('targets', () => {
  const b = new Builder(0);
  const session = b.session(
    'One',
    'idle',
    1,
    [
      ['claude', 'idle', 1],
      ['gemini', 'idle', 1],
      ['kimi', 'idle', 1],
    ],
    0,
  );
  const targets = () => targetsOf(useTargets.getState().of, session);
  const toggle = (seat: number | 'all') => useTargets.getState().toggle(session, seat);

  it('are everybody at first', () => {
    expect(targets()).toEqual(['claude', 'gemini', 'kimi']);
  });
  it('are one alone, then more, in the order of the seats', () => {
    toggle(1);
    expect(targets()).toEqual(['gemini']);
    toggle(0);
    expect(targets()).toEqual(['claude', 'gemini']);
    toggle(1);
    expect(targets()).toEqual(['claude']);
  });
  it('are never nobody', () => {
    toggle(1);
    toggle(1);
    expect(targets()).toHaveLength(3);
  });
  it('are everybody again with one key', () => {
    toggle(2);
    toggle('all');
    expect(targets()).toHaveLength(3);
  });
  it('ignore a seat nobody has', () => {
    toggle(9);
    expect(targets()).toHaveLength(3);
  });
  it('are remembered, and forget agents who left', () => {
    toggle(2);
    expect(JSON.parse(localStorage.getItem('coditect.targets') ?? '{}')).toEqual({ [session.id]: ['kimi'] });
    const without = { ...session, participants: session.participants.slice(0, 2) };
    expect(targetsOf(useTargets.getState().of, without)).toEqual(['claude', 'gemini']);
  });
});

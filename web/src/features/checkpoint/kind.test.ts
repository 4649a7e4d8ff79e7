import { describe, expect, it } from 'vitest';
import type { Checkpoint } from '@/api/nouns';
import { automatic, called } from './kind';

const one = (more: Partial<Checkpoint>): Checkpoint => ({
  id: 'chk_1',
  session: 'ses_1',
  plan: null,
  repo: 'rep_1',
  git_ref: 'refs/coditect/checkpoints/1',
  commit: '0'.repeat(40),
  paths: [],
  co_authors: [],
  message: 'Before a turn of claude\n\nmore',
  created_at: '2026-01-31T14:23:01.000Z',
  kind: 'before_turn',
  name: null,
  point: null,
  ...more,
});

describe('checkpoints', () => {
  it('are automatic when nobody asked for them', () => {
    expect(automatic(one({}))).toBe(true);
    expect(automatic(one({ kind: 'before_restore' }))).toBe(true);
    expect(automatic(one({ kind: 'named', name: 'green' }))).toBe(false);
    expect(automatic(one({ kind: 'work' }))).toBe(false);
  });

  it('are called by their name, or by what made them', () => {
    expect(called(one({ name: 'green' }))).toBe('green');
    expect(called(one({}))).toBe('Before a turn of claude');
  });
});

import { cleanup, render, screen } from '@testing-library/react';
import { afterEach, expect, it } from 'vitest';
import { makeWorld } from '../../../e2e/fixture';
import { IsolationMark, isolationOf, Unsandboxed } from './isolation';

afterEach(cleanup);
const [agent] = makeWorld(0).agents;
if (!agent) throw new Error('the fixture has no agent');
const sandboxed = (sandbox: { held_by: string | null; reason: string | null } | null) => ({
  ...agent,
  isolation: 'sandbox' as const,
  sandbox,
});

it('has a word and an icon of its own for every level, and for a sandbox that is none', () => {
  const levels = [
    isolationOf({ ...agent, isolation: 'shared' }),
    isolationOf({ ...agent, isolation: 'worktree' }),
    isolationOf(sandboxed({ held_by: 'bubblewrap', reason: null })),
    isolationOf(sandboxed({ held_by: null, reason: 'bwrap is not installed' })),
  ];
  expect(levels.map((level) => level.word)).toEqual(['shared', 'worktree', 'sandbox', 'UNSANDBOXED']);
  expect(new Set(levels.map((level) => level.icon)).size).toBe(4);
  expect(levels.map((level) => level.warns)).toEqual([false, false, false, true]);
  expect(levels[2]?.meaning).toContain('bubblewrap');
});

it('warns in sight, with the reason', () => {
  render(<Unsandboxed agent={sandboxed({ held_by: null, reason: 'bwrap is not installed' })} />);
  expect(screen.getByText(/bwrap is not installed/)).toBeTruthy();
  cleanup();
  render(<Unsandboxed agent={sandboxed(null)} />);
  expect(screen.getByText(/No sandbox/)).toBeTruthy();
  cleanup();
  const { container } = render(<Unsandboxed agent={sandboxed({ held_by: 'landlock', reason: null })} />);
  expect(container.textContent).toBe('');
});

it('says what a level means to who hears the page', () => {
  const { container } = render(<IsolationMark agent={{ ...agent, isolation: 'worktree' }} />);
  expect(container.textContent).toBe('worktree: Works in a git worktree of its own');
});

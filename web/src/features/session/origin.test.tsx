import { cleanup, render } from '@testing-library/react';
import { afterEach, expect, it } from 'vitest';
import { makeWorld } from '../../../e2e/fixture';
import { OriginChip, OriginMark, originOf } from './origin';

afterEach(cleanup);
const { sessions } = makeWorld(Date.UTC(2026, 0, 31), 25);
const imported = sessions.find((session) => session.origin !== null);
const own = sessions.find((session) => session.origin === null);
if (!imported || !own) throw new Error('the fixture has both kinds');

it('names the program and the time of a session that was imported', () => {
  expect(originOf(imported)).toMatch(/^Imported from Claude Code 2\.1\.329, begun .*2026/);
  const unversioned = {
    ...imported,
    origin: { ...imported.origin!, version: null, vendor: 'openai' as const },
  };
  expect(originOf(unversioned)).toMatch(/^Imported from Codex, begun /);
});

it('marks it in words as well as by a sign, and marks no session of ours', () => {
  for (const Mark of [OriginMark, OriginChip]) {
    const { container } = render(<Mark session={imported} />);
    expect(container.textContent).toContain('Imported from Claude Code');
    expect(container.querySelector('svg')).not.toBeNull();
    cleanup();
    expect(render(<Mark session={own} />).container.innerHTML).toBe('');
    cleanup();
  }
});

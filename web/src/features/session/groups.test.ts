import { expect, it } from 'vitest';
import { makeWorld } from '../../../e2e/fixture';
import { grouped, groupOf } from './groups';

const { sessions } = makeWorld(Date.UTC(2026, 0, 31), 25);

it('puts every session under exactly one heading', () => {
  const groups = grouped(sessions);
  const ids = (list: typeof sessions) => list.map((one) => one.id).toSorted();
  expect(ids(Object.values(groups).flat())).toEqual(ids(sessions));
});

it('puts a question before the work that goes on beside it, and failure beside questions', () => {
  const running = sessions.find((one) => one.needs_input > 0);
  expect(running && groupOf(running)).toBe('needs');
  const failed = sessions.find((one) => one.state === 'failed');
  expect(failed && groupOf(failed)).toBe('needs');
});

it('shows the newest first and leaves the archived out', () => {
  const groups = grouped([...sessions, { ...sessions[0]!, id: 'x', archived: true }]);
  const made = groups.done.map((one) => one.created_at);
  expect(made).toEqual(made.toSorted().toReversed());
  expect(Object.values(groups).flat()).toHaveLength(sessions.length);
});

import { expect, it } from 'vitest';
import { makeWorld } from '../../../e2e/fixture';
import type { Task } from '@/api/nouns';
import { planSummary, stepOf } from './summary';

const world = makeWorld(Date.UTC(2026, 0, 31), 25);
const plan = world.plans.find((one) => one.merged !== null);
const [some] = world.tasks;
if (!plan?.merged || !some) throw new Error('the fixture has a merged plan and tasks');
const task = (title: string, state: Task['state'], kind: Task['kind'] = 'work'): Task => ({
  ...some,
  id: title,
  title,
  state,
  kind,
  plan: plan.id,
});
const planned = plan.merged.tasks.map((one) => task(one.title, 'completed'));
const all = planned.length;
const settles = (state: Task['state']) => task(`${planned[0]?.title} (settled with the branch)`, state);
const testing = { ...plan, state: 'testing' as const };

it('tests once all of its tasks are over, however it is told', () => {
  for (const state of ['executing', 'testing'] as const) {
    expect(stepOf({ ...plan, state }, planned)).toBe('testing');
    expect(planSummary({ ...plan, state }, planned)).toBe('tests are running');
  }
  expect(stepOf({ ...plan, state: 'executing' }, [])).toBe('executing');
  expect(stepOf(testing, [])).toBe('testing');
});

it('works again while something is settled with the branch after the tests, and says how much', () => {
  const tasks = [...planned, settles('working')];
  expect(stepOf(testing, tasks)).toBe('executing');
  expect(planSummary(testing, tasks)).toBe(
    `${all} of ${all} tasks done · 0 of 1 conflict with the branch settled`,
  );
  expect(stepOf(testing, [...planned, settles('completed')])).toBe('testing');
  const more = [...planned, settles('completed'), { ...settles('submitted'), id: 'again' }];
  expect(planSummary(testing, more)).toMatch(/1 of 2 conflicts with the branch settled$/);
});

it('counts no task of another plan, and no proposal', () => {
  const other = { ...settles('working'), plan: 'pln_other' };
  expect(stepOf(testing, [...planned, other, task('Propose', 'working', 'propose')])).toBe('testing');
});

import type { Plan, Task } from '@/api/nouns';
import { many } from '@/components/figures';
import { isOpen as isTaskOpen } from '@/features/task/state';

/** Neither completed nor failed. */
export const isOpen = (plan: Plan): boolean => plan.state !== 'completed' && plan.state !== 'failed';

/** The step a plan is at. That its tests run is told by nothing but that all its tasks are over: what is settled with the branch is work again. */
export function stepOf(plan: Plan, tasks: readonly Task[]): Plan['state'] {
  if (plan.state !== 'executing' && plan.state !== 'testing') return plan.state;
  const own = tasks.filter((task) => task.plan === plan.id && task.kind !== 'propose');
  if (own.some((task) => isTaskOpen(task.state))) return 'executing';
  if (plan.state === 'testing') return 'testing';
  const over = own.length > 0 && own.every((task) => task.state === 'completed');
  return over ? 'testing' : 'executing';
}

/** Where a plan stands, in a few words. */
export function planSummary(plan: Plan, tasks: readonly Task[]): string {
  const own = tasks.filter((task) => task.plan === plan.id && task.kind === 'work');
  const titles = new Set(plan.merged?.tasks.map((task) => task.title));
  // What nobody planned settles a conflict with new commits on the branch.
  const planned = own.filter((task) => titles.has(task.title));
  const settling = own.filter((task) => !titles.has(task.title));
  const doneOf = (some: readonly Task[]) => some.filter((task) => task.state === 'completed').length;
  const work = plan.merged?.tasks.length ?? 0;
  const settled =
    settling.length > 0
      ? ` · ${doneOf(settling)} of ${many(settling.length, 'conflict')} with the branch settled`
      : '';
  switch (stepOf(plan, tasks)) {
    case 'proposing':
      return `${plan.proposals.length} of ${plan.participants.length} proposals`;
    case 'executing':
      return `${Math.min(doneOf(planned), work)} of ${many(work, 'task')} done${settled}`;
    case 'testing':
      return 'tests are running';
    case 'completed':
      return plan.tests
        ? `${many(work, 'task')} done · ${plan.tests.passed} tests passed`
        : `${many(work, 'task')} done`;
    case 'failed':
      return plan.tests && plan.tests.failed > 0 ? `${many(plan.tests.failed, 'test')} failed` : 'failed';
    default:
      return plan.state;
  }
}

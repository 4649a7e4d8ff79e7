import type { Plan, Task } from '@/api/nouns';
import { many } from '@/components/figures';

/** Neither completed nor failed. */
export const isOpen = (plan: Plan): boolean => plan.state !== 'completed' && plan.state !== 'failed';

/** The step a plan is at. That its tests run is told by nothing but that all its tasks are over. */
export function stepOf(plan: Plan, tasks: readonly Task[]): Plan['state'] {
  if (plan.state !== 'executing') return plan.state;
  const own = tasks.filter((task) => task.plan === plan.id && task.kind !== 'propose');
  const over = own.length > 0 && own.every((task) => task.state === 'completed');
  return over ? 'testing' : 'executing';
}

/** Where a plan stands, in a few words. */
export function planSummary(plan: Plan, tasks: readonly Task[]): string {
  const done = tasks.filter(
    (task) => task.plan === plan.id && task.state === 'completed' && task.kind === 'work',
  );
  const work = plan.merged?.tasks.length ?? 0;
  switch (stepOf(plan, tasks)) {
    case 'proposing':
      return `${plan.proposals.length} of ${plan.participants.length} proposals`;
    case 'executing':
      return `${Math.min(done.length, work)} of ${many(work, 'task')} done`;
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

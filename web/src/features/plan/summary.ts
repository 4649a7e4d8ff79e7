import type { Plan, Task } from '@/api/nouns';
import { many } from '@/components/figures';

/** Where a plan stands, in a few words. */
export function planSummary(plan: Plan, tasks: readonly Task[]): string {
  const done = tasks.filter(
    (task) => task.plan === plan.id && task.state === 'completed' && task.kind === 'work',
  );
  const work = plan.merged?.tasks.length ?? 0;
  switch (plan.state) {
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

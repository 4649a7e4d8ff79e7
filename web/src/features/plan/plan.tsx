/** How a plan came to be: what each agent proposed, how it was merged and why, how far it is. */
import { Check, CircleCheck, CircleX } from 'lucide-react';
import { useCancelPlan } from '@/api/mutations';
import type { MergedTask, Plan, PlanState, Proposal, Task } from '@/api/nouns';
import { ask } from '@/app/confirm';
import { Button } from '@/components/button';
import { CommandLine, CopyButton, Empty } from '@/components/empty';
import { many } from '@/components/figures';
import { InlineCode } from '@/components/inline-code';
import { Section } from '@/components/section';
import { elapsed } from '@/components/time';
import { NamedAgent } from '@/features/agent/identity';
import { Clipped } from '@/features/message/clipped';
import { TaskStateWord } from '@/features/task/state';
import { isOpen, stepOf } from './summary';

const STEPS: { state: PlanState; word: string }[] = [
  { state: 'proposing', word: 'Propose' },
  { state: 'executing', word: 'Execute' },
  { state: 'testing', word: 'Test' },
  { state: 'completed', word: 'Checkpoint' },
];

function Steps({ plan, tasks }: { plan: Plan; tasks: Task[] }) {
  const failed = plan.state === 'failed';
  const reached = failed
    ? plan.tests
      ? 2
      : plan.merged
        ? 1
        : 0
    : STEPS.findIndex((step) => step.state === stepOf(plan, tasks));
  return (
    <ol aria-label="Progress" className="flex flex-wrap items-center gap-x-1 gap-y-1 px-4 text-xs">
      {STEPS.map((step, index) => {
        const done = index < reached || plan.state === 'completed';
        const now = index === reached && !done;
        return (
          <li key={step.state} aria-current={now ? 'step' : undefined} className="flex items-center gap-1">
            {index > 0 && <span aria-hidden className="mx-1 h-px w-5 bg-line" />}
            {done ? (
              <Check size={12} aria-label="done" className="text-good" />
            ) : (
              <span
                aria-hidden
                className={`size-2 rounded-full border ${now ? 'border-accent bg-accent' : 'border-edge'}`}
              />
            )}
            <span className={now ? 'font-medium text-ink' : 'text-muted'}>{step.word}</span>
            {now && failed && <span className="font-medium text-danger">failed</span>}
          </li>
        );
      })}
    </ol>
  );
}

function Files({ files }: { files: string[] }) {
  return (
    <span className="flex flex-wrap gap-x-2 font-mono text-2xs text-muted">
      {files.map((file) => (
        <span key={file} className="wrap-anywhere">
          {file}
        </span>
      ))}
    </span>
  );
}

function ProposalCard({ proposal }: { proposal: Proposal }) {
  return (
    <li className="min-w-60 flex-1 rounded-lg border border-line bg-raised p-3">
      <div className="mb-1.5 flex items-center justify-between gap-2">
        <NamedAgent name={proposal.agent} strong />
        <span className="text-2xs text-faint">{many(proposal.tasks.length, 'task')}</span>
      </div>
      <ol className="flex flex-col gap-2">
        {proposal.tasks.map((task) => (
          <li key={task.name} className="flex flex-col">
            <span title={task.instructions}>{task.title}</span>
            <Files files={task.files} />
          </li>
        ))}
      </ol>
    </li>
  );
}

function MergedRow({ merged, task }: { merged: MergedTask; task: Task | undefined }) {
  return (
    <tr className="border-t border-line first:border-t-0">
      <td className="py-1.5 pr-4 align-baseline">
        {task ? <TaskStateWord state={task.state} /> : <span className="text-xs text-faint">planned</span>}
      </td>
      <td className="w-full py-1.5 pr-4 align-baseline">
        <span title={merged.instructions}>{merged.title}</span>
        {merged.depends_on.length > 0 && (
          <span className="ml-2 text-2xs text-faint">after {merged.depends_on.join(', ')}</span>
        )}
        <Files files={merged.files} />
      </td>
      <td className="py-1.5 pr-4 align-baseline">
        <NamedAgent name={merged.assignee} />
        {merged.reviewers.length > 0 && (
          <span className="block text-2xs text-faint sm:hidden">
            reviewed by {merged.reviewers.join(', ')}
          </span>
        )}
      </td>
      <td className="py-1.5 align-baseline max-sm:hidden">
        <span className="flex flex-col">
          {merged.reviewers.length === 0 && <span className="text-xs text-faint">none</span>}
          {merged.reviewers.map((one) => (
            <NamedAgent key={one} name={one} />
          ))}
        </span>
      </td>
    </tr>
  );
}

function Merged({ plan, tasks }: { plan: Plan; tasks: Task[] }) {
  const { merged } = plan;
  if (!merged) return null;
  const work = tasks.filter((task) => task.plan === plan.id && task.kind === 'work');
  return (
    <>
      <Section title="Why it was merged this way" level={3} className="mt-2">
        <ol className="flex max-w-192 list-decimal flex-col gap-1 pr-4 pl-9 marker:text-faint">
          {merged.explanation.map((sentence) => (
            <li key={sentence}>
              <InlineCode text={sentence} />
            </li>
          ))}
        </ol>
      </Section>
      <Section title="Merged plan" count={merged.tasks.length} level={3} className="mt-2">
        <div className="overflow-x-auto px-4">
          <table className="w-full sm:min-w-128 border-collapse text-left">
            <thead>
              <tr className="border-b border-line text-2xs text-faint">
                <th className="py-1 pr-4 font-normal">State</th>
                <th className="py-1 pr-4 font-normal">Task and files</th>
                <th className="py-1 pr-4 font-normal">Does it</th>
                <th className="py-1 font-normal max-sm:hidden">Reviews</th>
              </tr>
            </thead>
            <tbody>
              {merged.tasks.map((one) => (
                <MergedRow key={one.name} merged={one} task={work.find((task) => task.title === one.title)} />
              ))}
            </tbody>
          </table>
        </div>
      </Section>
    </>
  );
}

function Tests({ plan }: { plan: Plan }) {
  const { tests } = plan;
  if (!tests) return null;
  const good = tests.failed === 0 && tests.exit_code === 0;
  const Icon = good ? CircleCheck : CircleX;
  return (
    <Section title="Tests" level={3} className="mt-2">
      <div className="mx-4 rounded-lg border border-line">
        <p className={`flex flex-wrap items-center gap-2 px-3 py-2 ${good ? 'text-good' : 'text-danger'}`}>
          <Icon size={14} aria-hidden />
          <span className="font-medium">
            {tests.passed} passed{tests.failed > 0 && `, ${tests.failed} failed`}
          </span>
          <code className="font-mono text-2xs text-muted">{tests.command.join(' ')}</code>
          <span className="text-2xs text-faint">{elapsed(tests.elapsed_ms)}</span>
        </p>
        {!good && (
          <pre
            // Scrollable by keyboard.
            // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
            tabIndex={0}
            aria-label="Last lines of the tests"
            className="focus-inset max-h-72 overflow-auto border-t border-line bg-sunken px-3 py-2 font-mono text-xs"
          >
            {tests.tail}
          </pre>
        )}
      </div>
    </Section>
  );
}

/** Worktrees that hold something that is nowhere else. */
function Kept({ plan }: { plan: Plan }) {
  if (!plan.kept || plan.kept.length === 0) return null;
  return (
    <Section title="Worktrees that stay" count={plan.kept.length} level={3} className="mt-2">
      <ul className="flex max-w-192 flex-col gap-1.5 px-4">
        {plan.kept.map((one) => (
          <li key={one.worktree} aria-label={one.name}>
            <span className="font-medium">{one.name}</span> <span className="text-muted">{one.reason}</span>
            <span className="flex items-center gap-1 text-2xs text-muted">
              <code className="min-w-0 truncate font-mono" title={one.path}>
                {one.path}
              </code>
              <CopyButton text={one.path} label={`Copy the path of ${one.name}`} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** Ends the plan with all its tasks. Everybody may, whoever has the input. */
function CancelPlan({ plan }: { plan: Plan }) {
  const cancel = useCancelPlan();
  async function stop(): Promise<void> {
    const sure = await ask({
      title: 'Cancel this plan?',
      text: 'Its tasks and tests end, and nothing more comes to the branch. What the agents did so far stays.',
      deed: 'Cancel the plan',
    });
    if (sure) cancel.mutate({ plan: plan.id, session: plan.session });
  }
  return (
    <p className="px-4 pt-2">
      <Button size="sm" tone="danger" disabled={cancel.isPending} onClick={() => void stop()}>
        {cancel.isPending ? 'Canceling…' : 'Cancel plan'}
      </Button>
    </p>
  );
}

export function PlanView({ plans, tasks }: { plans: Plan[]; tasks: Task[] }) {
  if (plans.length === 0) {
    return (
      <Empty title="No plan in this session">
        <p>Tick Coordinate below: every agent proposes, and the proposals are merged. From a terminal:</p>
        <CommandLine>coditect run --repo . --agents claude,gemini "make the tests pass"</CommandLine>
      </Empty>
    );
  }
  return (
    <div className="max-w-256 pt-2 pb-8">
      {plans.toReversed().map((plan) => (
        <article key={plan.id} aria-label={`Plan ${plan.short_id}`} className="mb-8">
          <h2 className="sr-only">Plan {plan.short_id}</h2>
          <Clipped id={`plan.${plan.id}`} text={plan.prompt} className="max-w-192 px-4 pt-2 pb-2" />
          <Steps plan={plan} tasks={tasks} />
          {plan.branch !== null && plan.state !== 'completed' && (
            <p className="px-4 pt-2 text-xs text-faint">
              Its commits go to <code className="font-mono text-muted">{plan.branch}</code>.
            </p>
          )}
          {plan.worktrees && isOpen(plan) && (
            <p className="px-4 pt-2 text-xs text-faint">Each agent works in a worktree of its own.</p>
          )}
          {plan.text && <p className="max-w-192 px-4 pt-2 text-muted">{plan.text}</p>}
          {isOpen(plan) && <CancelPlan plan={plan} />}
          <Kept plan={plan} />
          <Tests plan={plan} />
          <Merged plan={plan} tasks={tasks} />
          <Section title="Proposals" count={plan.proposals.length} level={3} className="mt-2">
            <ul className="flex flex-wrap items-stretch gap-2 px-4">
              {plan.proposals.map((proposal) => (
                <ProposalCard key={proposal.participant} proposal={proposal} />
              ))}
            </ul>
            {plan.proposals.length < plan.participants.length && plan.state === 'proposing' && (
              <p className="px-4 pt-2 text-xs text-muted">
                Waiting for {many(plan.participants.length - plan.proposals.length, 'more proposal')}.
              </p>
            )}
          </Section>
        </article>
      ))}
    </div>
  );
}

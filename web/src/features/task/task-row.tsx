/** The head of a task's block, and the rows that frame its messages. */
import {
  ChevronRight,
  CircleCheck,
  CircleHelp,
  CircleStop,
  CircleX,
  Flag,
  ListTree,
  RotateCcw,
} from 'lucide-react';
import type { Checkpoint, Plan, Target, Task, TaskKind, Turn, Usage } from '@/api/nouns';
import { useCancelTask } from '@/api/mutations';
import { Button, IconButton } from '@/components/button';
import { cost, Lines, many, short } from '@/components/figures';
import { CopyButton } from '@/components/empty';
import { InlineCode } from '@/components/inline-code';
import { Clock, Elapsed, elapsed } from '@/components/time';
import { AgentName, displayName, Glyph, useHues } from '@/features/agent/identity';
import { Clipped } from '@/features/message/clipped';
import type { TaskFigures } from '@/features/message/rows';
import { useFolds, type Fold } from './folds';
import { isOpen, TaskStateWord } from './state';

/** A task that was only just announced names its targets by their seats alone. */
const nameOf = (target: Target): string => target.agent ?? 'agent';

/** Reasons of a plan shown in the conversation; the plan itself has them all. */
const REASONS = 6;

const KINDS: Record<TaskKind, string | null> = {
  prompt: null,
  propose: 'plan',
  work: null,
  review: 'review',
  ask: 'question',
};

/** From the start of its first turn to the end of its last; null before anybody has begun. */
function workTime(task: Task): { from: string; took: number | null } | null {
  const from = task.turns[0]?.started_at;
  if (from === undefined) return null;
  if (isOpen(task.state) || task.turns.some((turn) => turn.ended_at === null)) return { from, took: null };
  const ends = task.turns.map((turn) => Date.parse(turn.ended_at ?? turn.started_at));
  return { from, took: Math.max(...ends) - Date.parse(from) };
}

/** What the task used: tokens and money, the whole story on hover. */
function Used({ usage }: { usage: Usage }) {
  const tokens =
    usage.input_tokens + usage.output_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
  if (tokens === 0) return null;
  const cached = usage.cache_read_tokens > 0 ? `, ${short(usage.cache_read_tokens)} from cache` : '';
  return (
    <span
      className="flex gap-2.5 max-md:hidden"
      title={`${short(usage.input_tokens)} tokens in, ${short(usage.output_tokens)} out${cached}`}
    >
      <span>{short(tokens)} tokens</span>
      {usage.cost_micros > 0 && <span>{cost(usage)}</span>}
    </span>
  );
}

/** The tag beside the title says that it is a review or a plan. */
function titleOf(task: Task): string {
  if (task.kind === 'propose') return 'Propose what to do';
  return task.kind === 'review' ? task.title.replace(/^Review: /, '') : task.title;
}

function Figures({ task, figures }: { task: Task; figures: TaskFigures }) {
  const time = workTime(task);
  return (
    <span className="flex shrink-0 items-center gap-2.5 text-2xs text-faint">
      {task.attempt > 1 && <span className="text-warn">attempt {task.attempt}</span>}
      <Lines added={figures.added} removed={figures.removed} />
      {figures.tools > 0 && <span className="max-md:hidden">{many(figures.tools, 'tool')}</span>}
      <Used usage={task.usage} />
      <span className="min-w-7 text-right tabular-nums">
        {time && (time.took === null ? <Elapsed since={time.from} /> : elapsed(time.took))}
      </span>
    </span>
  );
}

export function TaskHead({ task, fold, figures }: { task: Task; fold: Fold; figures: TaskFigures }) {
  const setFold = useFolds((folds) => folds.fold);
  const cancel = useCancelTask();
  const hueOf = useHues();
  const closed = fold === 'closed';
  const kind = KINDS[task.kind];
  const summary = closed && task.text ? task.text.split('\n', 1)[0] : null;
  return (
    <div className="flex items-start gap-1 rounded-md hover:bg-hover/60">
      <button
        type="button"
        data-row
        data-task={task.id}
        aria-expanded={!closed}
        onClick={() => setFold(task.id, closed ? 'full' : 'closed')}
        className="focus-inset flex min-w-0 flex-1 flex-col rounded-md py-0.5 pr-2 pl-1 text-left"
      >
        <span className="flex w-full items-center gap-2">
          <ChevronRight
            size={13}
            aria-hidden
            className={`shrink-0 text-faint transition-transform duration-100 ${closed ? '' : 'rotate-90'}`}
          />
          <TaskStateWord state={task.state} bare={task.state === 'completed'} narrow />
          <span className={`min-w-0 truncate ${closed ? '' : 'font-medium'}`}>{titleOf(task)}</span>
          {kind && <span className="shrink-0 rounded-sm bg-hover px-1 text-2xs text-muted">{kind}</span>}
          <span className="flex shrink-0 items-center gap-2 text-xs">
            {task.targets.length === 1 && task.targets[0] ? (
              <AgentName name={nameOf(task.targets[0])} hue={hueOf(nameOf(task.targets[0]))} narrow />
            ) : (
              task.targets.map((one) => (
                <Glyph
                  key={one.participant}
                  hue={hueOf(nameOf(one))}
                  size={13}
                  label={displayName(nameOf(one))}
                />
              ))
            )}
          </span>
          <span className="flex-1" />
          <Figures task={task} figures={figures} />
        </span>
        {summary && <span className="w-full truncate pl-5.5 text-xs text-muted">{summary}</span>}
      </button>
      {isOpen(task.state) && (
        <IconButton
          label={`Cancel “${task.title}”`}
          className="size-6!"
          disabled={cancel.isPending}
          onClick={() => cancel.mutate({ task: task.id, session: task.session })}
        >
          <CircleStop size={14} aria-hidden />
        </IconButton>
      )}
    </div>
  );
}

export function PromptRow({ task }: { task: Task }) {
  const everybody = task.targets.map((target) => displayName(nameOf(target))).join(', ');
  return (
    <div className="mt-1 ml-5 max-w-192 rounded-md bg-sunken px-3 py-2">
      <div className="mb-0.5 flex items-center gap-2 text-xs text-muted">
        <span className="font-semibold text-ink">You</span>
        <span className="truncate">→ {everybody}</span>
        <Clock at={task.created_at} className="text-2xs text-faint" />
      </div>
      <Clipped id={task.id} text={task.prompt} />
    </div>
  );
}

export function HiddenRow({ task, count }: { task: Task; count: number }) {
  const setFold = useFolds((folds) => folds.fold);
  return (
    <button
      type="button"
      onClick={() => setFold(task.id, 'full')}
      className="mt-1 ml-5 h-6 rounded-sm px-2 text-xs text-muted hover:bg-hover hover:text-ink"
    >
      Show {many(count, 'earlier message')}
    </button>
  );
}

/** Why a task ended without its result, and the way to try again. */
export function EndRow({ task, onAgain }: { task: Task; onAgain(task: Task): void }) {
  const wrong = task.state !== 'canceled';
  return (
    <div
      className={`mt-2 ml-5 flex max-w-192 items-start gap-3 rounded-md px-3 py-2 ${wrong ? 'bg-danger-wash' : 'bg-sunken'}`}
    >
      <TaskStateWord state={task.state} />
      <span className="min-w-0 flex-1 text-xs leading-4 wrap-anywhere">{task.text}</span>
      <Button size="sm" onClick={() => onAgain(task)}>
        <RotateCcw size={11} aria-hidden />
        Write it again
      </Button>
    </div>
  );
}

export function PlanRow({ plan, summary, onOpen }: { plan: Plan; summary: string; onOpen(): void }) {
  return (
    <section aria-label="Plan" className="mt-3 rounded-md border border-line bg-raised">
      <button
        type="button"
        data-row
        onClick={onOpen}
        className="focus-inset flex w-full items-center gap-2 rounded-md px-2.5 py-1.5 text-left hover:bg-hover"
      >
        <ListTree size={14} aria-hidden className="shrink-0 text-muted" />
        <span className="min-w-0 flex-1 truncate">
          <span className="font-medium">Plan</span>
        </span>
        <span className="shrink-0 text-xs text-muted">{summary}</span>
      </button>
      {plan.merged && plan.merged.explanation.length > 0 && (
        <ul
          aria-label="Why it was merged this way"
          className="flex flex-col gap-0.5 border-t border-line px-2.5 py-1.5 pl-8 text-xs leading-4 text-muted"
        >
          {plan.merged.explanation.slice(0, REASONS).map((sentence) => (
            <li key={sentence} className="wrap-anywhere">
              <InlineCode text={sentence} />
            </li>
          ))}
          {plan.merged.explanation.length > REASONS && (
            <li className="text-faint">
              and {many(plan.merged.explanation.length - REASONS, 'more reason')} in the plan
            </li>
          )}
        </ul>
      )}
    </section>
  );
}

/** How a plan ended, where one looks when all is over. */
export function PlanEndRow({ plan, summary, onOpen }: { plan: Plan; summary: string; onOpen(): void }) {
  const good = plan.state === 'completed';
  const Icon = good ? CircleCheck : CircleX;
  return (
    <button
      type="button"
      data-row
      onClick={onOpen}
      className={`focus-inset mt-3 flex w-full items-baseline gap-2 rounded-md px-2.5 py-1.5 text-left ${good ? 'bg-good-wash' : 'bg-danger-wash'}`}
    >
      <Icon size={14} aria-hidden className={`shrink-0 self-center ${good ? 'text-good' : 'text-danger'}`} />
      <span className={`shrink-0 font-medium ${good ? 'text-good' : 'text-danger'}`}>
        {good ? 'Plan done' : 'Plan failed'}
      </span>
      <span className="min-w-0 flex-1 text-xs wrap-anywhere">{good ? summary : (plan.text ?? summary)}</span>
    </button>
  );
}

/** What the agents asked; the answer is given below, where it is always in sight. */
export function QuestionRow({ task }: { task: Task }) {
  const asker = task.targets.find((target) => target.participant === task.question?.participant);
  return (
    <p className="mt-2 ml-5 flex max-w-192 items-baseline gap-2 rounded-md bg-accent-wash px-3 py-1.5">
      <CircleHelp size={13} aria-hidden className="shrink-0 self-center text-accent" />
      <span className="min-w-0 flex-1 wrap-anywhere">
        <span className="text-muted">{displayName(asker ? nameOf(asker) : 'agent')} asks: </span>
        {task.question?.question}
      </span>
    </p>
  );
}

/** An attempt that came to nothing, where the next one begins. */
export function AttemptRow({ turn }: { turn: Turn }) {
  const reason = turn.outcome?.state === 'failed' ? turn.outcome.message : '';
  return (
    <p className="mt-2 ml-5 flex max-w-192 items-baseline gap-2 text-xs text-warn">
      <RotateCcw size={12} aria-hidden className="shrink-0 self-center" />
      <span className="min-w-0 wrap-anywhere">
        <span className="font-medium">Attempt {turn.attempt} failed</span>
        {reason && <span className="text-muted">: {reason}</span>}
      </span>
    </p>
  );
}

/** A restorable point: inside the block of its task a line, of a whole plan a rule across the page. */
export function CheckpointRow({ checkpoint, inside }: { checkpoint: Checkpoint; inside: boolean }) {
  const commit = checkpoint.commit.slice(0, 10);
  return (
    <div
      className={`flex items-center gap-2 text-xs text-muted ${inside ? 'mt-1.5 ml-5 max-w-192 px-1' : 'mt-3 border-y border-line px-1 py-1'}`}
    >
      <Flag size={13} aria-hidden className="shrink-0 text-good" />
      <span className={`shrink-0 ${inside ? '' : 'font-medium text-ink'}`}>Checkpoint</span>
      <code className="shrink-0 font-mono text-2xs">{commit}</code>
      <CopyButton text={checkpoint.commit} label="Copy the commit" />
      <span className="min-w-0 flex-1 truncate">{!inside && checkpoint.message.split('\n', 1)[0]}</span>
      <span className="shrink-0">{many(checkpoint.paths.length, 'file')}</span>
      <Clock at={checkpoint.created_at} className="shrink-0 text-2xs text-faint" />
    </div>
  );
}

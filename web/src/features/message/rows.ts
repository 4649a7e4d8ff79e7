/**
 * The conversation as a flat list of rows for the virtual list: tasks are blocks, messages stand in their task, tool
 * results stand in their call. Pure; same input, same rows, stable keys.
 */
import { groupBy } from '@/app/group-by';
import type {
  Block,
  Checkpoint,
  Compaction,
  LiveTurn,
  Message,
  Participant,
  Plan,
  Task,
  Turn,
} from '@/api/nouns';
import type { Fold } from '@/features/task/folds';
import { planSummary } from '@/features/plan/summary';
import { isOpen } from '@/features/task/state';

/** Messages shown of a task that is folded to its tail. */
export const TAIL = 4;
/** A message and its plan are made in one call: their times differ by no more, in milliseconds. */
const SAME_CALL_MS = 1000;
/** A pause after which the speaker is named again, in milliseconds. */
const PAUSE_MS = 5 * 60_000;

export type ToolResult = Extract<Block, { type: 'tool_result' }>;

export interface TaskFigures {
  messages: number;
  tools: number;
  added: number;
  removed: number;
  files: number;
}

export type Row =
  | { key: string; kind: 'earlier' }
  | { key: string; kind: 'task'; task: Task; fold: Fold; figures: TaskFigures; first: boolean }
  | { key: string; kind: 'prompt'; task: Task }
  | { key: string; kind: 'hidden'; task: Task; count: number }
  | { key: string; kind: 'message'; message: Message; speaker: Participant | null; continues: boolean }
  | { key: string; kind: 'live'; task: Task; speaker: Participant; turn: string | null; continues: boolean }
  | { key: string; kind: 'question'; task: Task }
  | { key: string; kind: 'end'; task: Task }
  | { key: string; kind: 'plan'; plan: Plan; summary: string }
  | { key: string; kind: 'attempt'; turn: Turn }
  | { key: string; kind: 'plan_end'; plan: Plan; summary: string }
  | { key: string; kind: 'checkpoint'; checkpoint: Checkpoint; task: Task | null }
  | { key: string; kind: 'condensed'; compaction: Compaction };

export interface Conversation {
  tasks: readonly Task[];
  plans: readonly Plan[];
  checkpoints: readonly Checkpoint[];
  compactions?: readonly Compaction[] | undefined;
  /** Oldest first. */
  messages: readonly Message[];
  participants: readonly Participant[];
  /** Turns that are being written; their text is no business of the rows. */
  live: readonly Pick<LiveTurn, 'turn' | 'task' | 'participant'>[];
  fold(task: Task): Fold;
  /** Older messages exist that are not loaded. */
  hasEarlier: boolean;
}

/** Results by the call they answer. */
export function resultsOf(messages: readonly Message[]): Map<string, ToolResult> {
  const results = new Map<string, ToolResult>();
  for (const message of messages) {
    for (const block of message.blocks) if (block.type === 'tool_result') results.set(block.call_id, block);
  }
  return results;
}

/** True when every result in the message is shown in its call's card. */
function isAnswerOnly(message: Message, calls: ReadonlySet<string>): boolean {
  return (
    message.blocks.length > 0 &&
    message.blocks.every((block) => block.type === 'tool_result' && calls.has(block.call_id))
  );
}

function callsOf(messages: readonly Message[]): Set<string> {
  const calls = new Set<string>();
  for (const message of messages) {
    for (const block of message.blocks) if (block.type === 'tool_call') calls.add(block.call_id);
  }
  return calls;
}

function figuresOf(task: Task, messages: readonly Message[]): TaskFigures {
  const figures: TaskFigures = { messages: messages.length, tools: 0, added: 0, removed: 0, files: 0 };
  for (const message of messages) {
    for (const block of message.blocks) if (block.type === 'tool_call') figures.tools += 1;
  }
  const files = new Set<string>();
  for (const change of task.changes) {
    figures.added += change.lines_added;
    figures.removed += change.lines_removed;
    files.add(change.path);
  }
  figures.files = files.size;
  return figures;
}

const isPrompt = (message: Message, task: Task): boolean =>
  message.role === 'user' &&
  message.blocks.length === 1 &&
  message.blocks[0]?.type === 'text' &&
  message.blocks[0].text === task.prompt;

interface Index {
  byTask: Map<string, Message[]>;
  seats: Map<string, Participant>;
  calls: Set<string>;
  /** Checkpoints by the task they keep. */
  kept: Map<string, Checkpoint>;
  oldest: string | null;
  conversation: Conversation;
}

/** Attempts that failed and were followed by another, by the turn whose messages come next. */
function failedBefore(task: Task): Map<string, Turn> {
  const before = new Map<string, Turn>();
  for (const turn of task.turns) {
    if (turn.outcome?.state !== 'failed') continue;
    const next = task.turns.find(
      (other) => other.participant === turn.participant && other.attempt > turn.attempt,
    );
    if (next) before.set(next.id, turn);
  }
  return before;
}

function messageRows(task: Task | null, shown: readonly Message[], index: Index): Row[] {
  const failed = task ? failedBefore(task) : new Map<string, Turn>();
  let last: Message | null = null;
  return shown.flatMap((message): Row[] => {
    const attempt = message.turn === null ? undefined : failed.get(message.turn);
    if (attempt && message.turn !== null) {
      failed.delete(message.turn);
      last = null;
    }
    const continues =
      last !== null &&
      last.participant === message.participant &&
      last.role === message.role &&
      Date.parse(message.created_at) - Date.parse(last.created_at) < PAUSE_MS;
    last = message;
    const speaker = (message.participant && index.seats.get(message.participant)) || null;
    const row = { key: `m:${message.id}`, kind: 'message', message, speaker, continues } satisfies Row;
    return attempt ? [{ key: `a:${attempt.id}`, kind: 'attempt', turn: attempt }, row] : [row];
  });
}

/** One row per participant who is at work on the task, with what it is writing. */
function liveRows(task: Task, lastSpeaker: string | null, index: Index): Row[] {
  if (!isOpen(task.state)) return [];
  const turns = index.conversation.live.filter((turn) => turn.task === task.id);
  let before = lastSpeaker;
  return task.targets.flatMap((target): Row[] => {
    const turn = turns.find((one) => one.participant === target.participant)?.turn ?? null;
    const speaker = index.seats.get(target.participant);
    if (!speaker || (turn === null && target.state !== 'working')) return [];
    const continues = before === speaker.id;
    before = speaker.id;
    return [{ key: `l:${task.id}:${speaker.id}`, kind: 'live', task, speaker, turn, continues }];
  });
}

function taskRows(task: Task, index: Index, first: boolean): Row[] {
  const { fold: foldOf } = index.conversation;
  const fold = foldOf(task);
  const messages = (index.byTask.get(task.id) ?? []).filter(
    (message) => !isPrompt(message, task) && !isAnswerOnly(message, index.calls),
  );
  const rows: Row[] = [
    { key: `t:${task.id}`, kind: 'task', task, fold, figures: figuresOf(task, messages), first },
  ];
  if (fold === 'closed') return rows;

  if (task.kind === 'prompt' || fold === 'full') rows.push({ key: `p:${task.id}`, kind: 'prompt', task });

  const hidden = fold === 'tail' ? Math.max(0, messages.length - TAIL) : 0;
  if (hidden > 0) rows.push({ key: `h:${task.id}`, kind: 'hidden', task, count: hidden });
  const shown = messages.slice(hidden);
  rows.push(...messageRows(task, shown, index));

  const last = shown.at(-1);
  rows.push(...liveRows(task, last?.role === 'assistant' ? last.participant : null, index));
  if (task.state === 'input_required' && task.question)
    rows.push({ key: `q:${task.id}`, kind: 'question', task });
  const checkpoint = index.kept.get(task.id);
  if (checkpoint) rows.push({ key: `c:${checkpoint.id}`, kind: 'checkpoint', checkpoint, task });
  if (['failed', 'rejected', 'canceled'].includes(task.state) && task.text) {
    rows.push({ key: `e:${task.id}`, kind: 'end', task });
  }
  return rows;
}

const isOver = (plan: Plan): boolean => plan.state === 'completed' || plan.state === 'failed';

/** When a plan ended: it has no time of its own for that, but nothing of it comes later. */
function endOf(plan: Plan, { tasks, checkpoints }: Conversation): string {
  const ends = [
    plan.created_at,
    ...tasks.filter((task) => task.plan === plan.id).map((task) => task.updated_at),
    ...checkpoints.filter((one) => one.plan === plan.id).map((one) => one.created_at),
  ];
  return ends.reduce((latest, one) => (one > latest ? one : latest));
}

/** A checkpoint of a task is kept under a ref that ends in the task's id. */
function checkpointsOfTasks({ tasks, checkpoints }: Conversation): Map<string, Checkpoint> {
  const known = new Set(tasks.map((task) => task.id));
  const kept = new Map<string, Checkpoint>();
  for (const checkpoint of checkpoints) {
    const task = checkpoint.git_ref.split('/').at(-1) ?? '';
    if (known.has(task)) kept.set(task, checkpoint);
  }
  return kept;
}

/** The plan that a message of the user began. */
function plansByPrompt({ plans }: Conversation): (message: Message) => Plan | undefined {
  return (message) => {
    const block = message.role === 'user' && message.blocks.length === 1 ? message.blocks[0] : undefined;
    if (block?.type !== 'text') return undefined;
    const near = (plan: Plan) =>
      Math.abs(Date.parse(plan.created_at) - Date.parse(message.created_at)) < SAME_CALL_MS;
    return plans.find((plan) => plan.prompt === block.text && near(plan));
  };
}

/**
 * What is older than the loaded history is not shown yet: its blocks would be empty, and scrolling up brings it
 * whole. What still goes on is always shown.
 */
function reached(task: Task, index: Index): boolean {
  const { hasEarlier } = index.conversation;
  return !hasEarlier || isOpen(task.state) || index.byTask.has(task.id) || isRecent(task.created_at, index);
}

/** Stands behind the block of the last message it is about, once that is loaded. */
function condensedRow(compaction: Compaction, { messages, tasks }: Conversation) {
  const last = messages.find((message) => message.id === compaction.upto);
  if (!last) return [];
  const task = tasks.find((one) => one.id === last.task);
  const row: Row = { key: `k:${compaction.upto}`, kind: 'condensed', compaction };
  return [{ at: task?.created_at ?? last.created_at, order: 2, rows: [row] }];
}

const isRecent = (at: string, index: Index): boolean =>
  !index.conversation.hasEarlier || index.oldest === null || at >= index.oldest;

export function rowsOf(conversation: Conversation): Row[] {
  const index: Index = {
    byTask: groupBy(conversation.messages, (message) => message.task ?? ''),
    seats: new Map(conversation.participants.map((one) => [one.id, one])),
    calls: callsOf(conversation.messages),
    kept: checkpointsOfTasks(conversation),
    oldest: conversation.messages[0]?.created_at ?? null,
    conversation,
  };
  const ofTasks = new Set(index.kept.values());
  const startOf = plansByPrompt(conversation);
  const pieces: { at: string; order: number; rows: Row[] }[] = [
    ...conversation.plans
      .filter((plan) => isRecent(plan.created_at, index))
      .map((plan) => ({
        at: plan.created_at,
        order: 0,
        rows: [
          {
            key: `plan:${plan.id}`,
            kind: 'plan',
            plan,
            summary: planSummary(plan, conversation.tasks),
          } satisfies Row,
        ],
      })),
    ...conversation.plans
      .filter((plan) => isOver(plan) && isRecent(plan.created_at, index))
      .map((plan) => ({
        at: endOf(plan, conversation),
        order: 3,
        rows: [
          {
            key: `over:${plan.id}`,
            kind: 'plan_end',
            plan,
            summary: planSummary(plan, conversation.tasks),
          } satisfies Row,
        ],
      })),
    ...conversation.tasks
      .filter((task) => reached(task, index))
      .map((task, position) => ({
        at: task.created_at,
        order: 1,
        rows: taskRows(task, index, position === 0),
      })),
    ...conversation.checkpoints
      .filter((one) => !ofTasks.has(one) && isRecent(one.created_at, index))
      .map((checkpoint) => ({
        at: checkpoint.created_at,
        order: 2,
        rows: [{ key: `c:${checkpoint.id}`, kind: 'checkpoint', checkpoint, task: null } satisfies Row],
      })),
    ...(conversation.compactions ?? []).flatMap((compaction) => condensedRow(compaction, conversation)),
    ...(index.byTask.get('') ?? []).map((message) => {
      const plan = startOf(message);
      // What was asked for stands before the plan that was made of it.
      return {
        at: plan?.created_at ?? message.created_at,
        order: plan ? -1 : 2,
        rows: messageRows(null, [message], index),
      };
    }),
  ];
  // A stable sort keeps the daemon's order for tasks of one moment.
  pieces.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.order - b.order));
  const rows = pieces.flatMap((piece) => piece.rows);
  return conversation.hasEarlier ? [{ key: 'earlier', kind: 'earlier' }, ...rows] : rows;
}

/** Events as short sentences for the activity feed. Kinds that would only be noise give null. */
import type { EventRecord } from '@/api/nouns';
import { many } from '@/components/figures';

export interface Sentence {
  /** The agent who did it; null for the user and the daemon. */
  agent: string | null;
  text: string;
  /** Shown in monospace behind the text: a path, a commit. */
  what: string | null;
  tone: 'plain' | 'warn' | 'danger' | 'good';
}

type Payload = Record<string, unknown>;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const plain = (
  words: string,
  what: unknown = null,
  tone: Sentence['tone'] = 'plain',
): Omit<Sentence, 'agent'> => ({
  text: words,
  what: typeof what === 'string' && what !== '' ? what : null,
  tone,
});

const LOCK_PHASES: Record<string, Omit<Sentence, 'agent' | 'what'>> = {
  waiting: { text: 'waits for', tone: 'warn' },
  acquired: { text: 'locked', tone: 'plain' },
  released: { text: 'released', tone: 'plain' },
  expired: { text: 'let the lease run out on', tone: 'warn' },
  taken_over: { text: 'took over', tone: 'warn' },
  broken: { text: 'lost its lock on', tone: 'danger' },
};

const firstLine = (value: unknown): string => text(value).split('\n', 1)[0]?.slice(0, 120) ?? '';

/** The first of the files a shell changed, and how many more there are. */
function strayed(payload: Payload): string {
  const files = (payload.files as { path?: unknown }[] | undefined) ?? [];
  const more = Math.max(0, files.length - 1) + (typeof payload.more === 'number' ? payload.more : 0);
  return more > 0 ? `${text(files[0]?.path)} and ${many(more, 'more file')}` : text(files[0]?.path);
}

const CONFLICT_WORDS: Record<string, string> = {
  same_file: 'Two worktrees change the same file',
  same_hunk: 'Two worktrees change the same lines',
  merge_conflict: 'Two worktrees no longer merge',
  base_conflict: 'A worktree no longer merges with the branch',
};

/** Two worktrees in each other's way, or no longer. */
function conflict(payload: Payload): Omit<Sentence, 'agent'> {
  const one = (payload.conflict as Payload | null | undefined) ?? {};
  const paths = Array.isArray(one.paths) ? one.paths : [];
  if (payload.phase === 'gone') return plain('Worktrees go together again', paths[0], 'good');
  const merges = one.kind === 'same_file' || one.kind === 'same_hunk';
  return plain(CONFLICT_WORDS[text(one.kind)] ?? 'Conflict', paths[0], merges ? 'plain' : 'warn');
}

const MERGE_TONES: Record<string, Sentence['tone']> = {
  landed: 'good',
  returned: 'warn',
  failed: 'danger',
};

function say(kind: string, payload: Payload): Omit<Sentence, 'agent'> | null {
  switch (kind) {
    case 'session.created':
      return plain(`New session: ${firstLine(payload.title)}`);
    case 'task.submitted':
      // That the agents are asked is told by the plan.
      return payload.kind === 'propose' ? null : plain(`Task: ${firstLine(payload.title)}`);
    case 'task.input_requested':
      return plain(`asks: ${firstLine(payload.question)}`, null, 'warn');
    case 'permission.requested':
      return plain(
        `asks to be allowed: ${firstLine((payload.ask as Payload | undefined)?.summary)}`,
        null,
        'warn',
      );
    case 'permission.decided':
      return payload.allowed === true
        ? plain(`Permission given by ${text(payload.by)}`)
        : plain(`Permission denied by ${text(payload.by)}`, null, 'warn');
    case 'permission.rule_added':
      return plain(`Rule: ${text(payload.effect)} ${text(payload.tool).replace(/^=/, '')}`);
    case 'permission.rule_removed':
      return plain('Rule removed');
    case 'budget.warned':
      return plain(`is near its ${text(payload.budget).replace('_', ' ')} budget`, null, 'warn');
    case 'task.completed':
      return plain(`Task done: ${firstLine(payload.text)}`, null, 'good');
    case 'task.failed':
      return plain(`Task failed: ${firstLine(payload.text)}`, null, 'danger');
    case 'task.canceled':
      return plain('Task canceled');
    case 'task.resubmitted':
      return plain(`Task is tried again: ${firstLine(payload.reason)}`, null, 'warn');
    case 'plan.created':
      return plain(`Plan asked for: ${firstLine(payload.prompt).replace(/^#+\s*/, '')}`);
    case 'plan.proposed':
      return plain(`proposed ${many((payload.tasks as unknown[] | undefined)?.length ?? 0, 'task')}`);
    case 'plan.merged':
      return plain(
        `Proposals merged into ${many((payload.merged as { tasks?: unknown[] } | null)?.tasks?.length ?? 0, 'task')}`,
      );
    case 'plan.completed':
      return plain(`Plan done: ${firstLine(payload.text)}`, null, 'good');
    case 'plan.failed':
      return plain(`Plan failed: ${firstLine(payload.text)}`, null, 'danger');
    case 'plan.stalled':
      return plain(`Plan cannot go on yet: ${firstLine(payload.text)}`, null, 'warn');
    case 'file.strayed':
      return plain('changed without a lock', strayed(payload), 'danger');
    case 'file.restored':
      return plain('brought back', payload.path, 'good');
    case 'file.modified':
      return plain('changed', payload.path);
    case 'edit.refused':
      return plain(
        `edit refused (${text(payload.code)})`,
        (payload.claim as Payload | undefined)?.path,
        'danger',
      );
    case 'checkpoint.created':
      // Those around each turn are told by the turn.
      return payload.kind === 'work' || payload.kind === 'named'
        ? plain('Checkpoint', text(payload.commit).slice(0, 10), 'good')
        : null;
    case 'checkpoint.restored':
      return plain('brought back to a checkpoint:', `${Number(payload.files)} files`, 'good');
    case 'conflict.changed':
      return conflict(payload);
    case 'merge.changed':
      return plain(
        `Merge ${text(payload.state)}: ${firstLine(payload.text)}`,
        null,
        MERGE_TONES[text(payload.state)] ?? 'plain',
      );
    case 'lock.changed': {
      const phase = LOCK_PHASES[text(payload.phase)];
      return phase ? { ...phase, what: text(payload.path) } : null;
    }
    case 'notice.published':
      // The change itself is told.
      return payload.channel === 'file_modified' ? null : plain('notice on', payload.channel);
    case 'context.changed':
      return plain(
        payload.value === null ? 'removed from the shared context' : 'set in the shared context',
        payload.key,
      );
    case 'run.exited':
      return text(payload.reason) === 'crashed' ? plain('process died', null, 'danger') : null;
    case 'registration.announced':
      // The user is there as long as the daemon is.
      return payload.agent === 'user' ? null : plain('joined the bus');
    case 'journal.repaired':
      return plain('Journal repaired after a torn write', payload.side_file, 'warn');
    default:
      return null;
  }
}

export function sentenceOf(event: EventRecord): Sentence | null {
  const payload = (
    typeof event.payload === 'object' && event.payload !== null ? event.payload : {}
  ) as Payload;
  const said = say(event.kind, payload);
  if (!said) return null;
  const named = text(payload.agent) || event.actor;
  return { ...said, agent: named === 'user' || named === 'system' ? null : named };
}

/** The seven words for where a task stands, with an icon each. */
import {
  Ban,
  CircleCheck,
  CircleDashed,
  CircleDot,
  CircleHelp,
  CircleSlash,
  CircleX,
  type LucideIcon,
} from 'lucide-react';
import type { TaskState } from '@/api/nouns';

interface Look {
  word: string;
  icon: LucideIcon;
  tone: string;
}

export const TASK_LOOKS: Record<TaskState, Look> = {
  submitted: { word: 'queued', icon: CircleDashed, tone: 'text-muted' },
  working: { word: 'working', icon: CircleDot, tone: 'text-ink' },
  input_required: { word: 'needs you', icon: CircleHelp, tone: 'text-accent' },
  completed: { word: 'done', icon: CircleCheck, tone: 'text-good' },
  failed: { word: 'failed', icon: CircleX, tone: 'text-danger' },
  canceled: { word: 'canceled', icon: CircleSlash, tone: 'text-muted' },
  rejected: { word: 'rejected', icon: Ban, tone: 'text-danger' },
};

export const isOpen = (state: TaskState): boolean =>
  state === 'submitted' || state === 'working' || state === 'input_required';

/** `bare`: the icon alone. `narrow`: the icon alone where there is little room. The word is always told. */
export function TaskStateWord({
  state,
  bare = false,
  narrow = false,
}: {
  state: TaskState;
  bare?: boolean;
  narrow?: boolean;
}) {
  const {
    word,
    icon: Icon,
    tone,
  } = TASK_LOOKS[state] ?? { word: state, icon: CircleDashed, tone: 'text-muted' };
  return (
    <span className={`inline-flex shrink-0 items-baseline gap-1 text-xs whitespace-nowrap ${tone}`}>
      <Icon size={14} aria-hidden className="self-center" />
      <span className={bare ? 'sr-only' : narrow ? 'max-sm:sr-only' : ''}>{word}</span>
    </span>
  );
}

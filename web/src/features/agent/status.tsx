/** The twelve words for what a participant is doing. Always icon, word and age; never colour alone. */
import {
  Circle,
  CircleCheck,
  CircleDashed,
  CircleHelp,
  CircleX,
  Hourglass,
  Lightbulb,
  PauseCircle,
  PencilLine,
  ScanSearch,
  SquareTerminal,
  Unplug,
  type LucideIcon,
} from 'lucide-react';
import type { ParticipantStatus } from '@/api/nouns';
import { Age } from '@/components/time';

interface Look {
  word: string;
  icon: LucideIcon;
  tone: string;
  /** What it means, for the tooltip and the legend. */
  meaning: string;
}

export const STATUS_LOOKS: Record<ParticipantStatus, Look> = {
  starting: {
    word: 'starting',
    icon: CircleDashed,
    tone: 'text-muted',
    meaning: 'Its process is coming up.',
  },
  idle: { word: 'idle', icon: Circle, tone: 'text-faint', meaning: 'Nothing to do.' },
  thinking: { word: 'thinking', icon: Lightbulb, tone: 'text-ink', meaning: 'The model is working.' },
  editing: { word: 'editing', icon: PencilLine, tone: 'text-ink', meaning: 'Changing a file it has locked.' },
  running_tool: {
    word: 'running tool',
    icon: SquareTerminal,
    tone: 'text-ink',
    meaning: 'A tool is running.',
  },
  waiting_lock: {
    word: 'waiting for lock',
    icon: Hourglass,
    tone: 'text-warn',
    meaning: 'Somebody else holds the file.',
  },
  needs_input: {
    word: 'needs you',
    icon: CircleHelp,
    tone: 'text-accent',
    meaning: 'Asked a question and waits.',
  },
  indexing: { word: 'indexing', icon: ScanSearch, tone: 'text-ink', meaning: 'Reading the code base.' },
  paused: { word: 'paused', icon: PauseCircle, tone: 'text-muted', meaning: 'Held back by you.' },
  done: { word: 'done', icon: CircleCheck, tone: 'text-good', meaning: 'Finished its turn.' },
  failed: { word: 'failed', icon: CircleX, tone: 'text-danger', meaning: 'Its turn ended with a failure.' },
  stale: { word: 'stale', icon: Unplug, tone: 'text-danger', meaning: 'Gave no sign of life.' },
};

const UNKNOWN: Look = {
  word: 'unknown',
  icon: CircleDashed,
  tone: 'text-muted',
  meaning: 'A word this page does not know.',
};

export function lookOf(status: ParticipantStatus): Look {
  return STATUS_LOOKS[status] ?? { ...UNKNOWN, word: String(status).replaceAll('_', ' ') };
}

export const isLive = (status: ParticipantStatus): boolean =>
  !['idle', 'paused', 'done', 'failed', 'stale'].includes(status);

export function StatusWord({
  status,
  since,
  className = '',
}: {
  status: ParticipantStatus;
  since?: string;
  className?: string;
}) {
  const { word, icon: Icon, tone, meaning } = lookOf(status);
  return (
    <span
      title={meaning}
      className={`inline-flex items-baseline gap-1 whitespace-nowrap text-xs ${tone} ${className}`}
    >
      <Icon size={13} aria-hidden className="shrink-0 self-center" />
      <span>{word}</span>
      {since && <Age since={since} className="text-faint" />}
    </span>
  );
}

/** What a notice carries beside what it says: its thread, how urgent it is, what it answers, and who answered it. */
import { useQuery } from '@tanstack/react-query';
import { Check, CheckCheck, ChevronsDown, ChevronsUp, CornerUpLeft, Hash, X } from 'lucide-react';
import type { Notice, Receipt } from '@/api/nouns';
import { receiptsQuery } from '@/api/queries';

const chip = 'inline-flex items-baseline gap-0.5 whitespace-nowrap text-2xs';

/** How far the answers are, in words. */
export function tally(receipts: Receipt[]): { text: string; all: boolean; lost: boolean } {
  const acked = receipts.filter((one) => one.acked_at !== null).length;
  const dead = receipts.filter((one) => one.dead && one.acked_at === null).length;
  const text =
    receipts.length === 1 && acked === 1 ? 'acknowledged' : `${acked} of ${receipts.length} acknowledged`;
  return {
    text: dead > 0 ? `${text}, ${dead} given up` : text,
    all: acked === receipts.length,
    lost: dead > 0,
  };
}

function Answers({ notice }: { notice: Notice }) {
  const receipts = useQuery(receiptsQuery(notice.id)).data;
  if (!receipts || receipts.length === 0)
    return <span className={`${chip} text-muted`}>asks for an answer</span>;
  const { text, all, lost } = tally(receipts);
  const Icon = lost ? X : all ? CheckCheck : Check;
  const tone = lost ? 'text-danger' : all ? 'text-good' : 'text-muted';
  return (
    <span className={`${chip} ${tone}`}>
      <Icon size={11} aria-hidden className="self-center" />
      {text}
    </span>
  );
}

export function NoticeEnvelope({ notice, onThread }: { notice: Notice; onThread(thread: string): void }) {
  const { thread, priority, reply_to: answers, ack_seconds: ack } = notice;
  if (thread === null && priority === 0 && answers === null && ack === null) return null;
  const Urgency = priority > 0 ? ChevronsUp : ChevronsDown;
  return (
    <span className="ml-2 inline-flex flex-wrap items-baseline gap-x-2">
      {priority !== 0 && (
        <span
          className={`${chip} ${priority > 0 ? 'text-warn' : 'text-faint'}`}
          title={`Priority ${priority}`}
        >
          <Urgency size={11} aria-hidden className="self-center" />
          <span className="sr-only">priority </span>
          {priority}
        </span>
      )}
      {thread !== null && (
        <button
          type="button"
          onClick={() => onThread(thread)}
          className={`${chip} text-muted underline-offset-2 hover:text-ink hover:underline`}
          aria-label={`Thread ${thread}`}
          title={`Only the thread ${thread}`}
        >
          <Hash size={10} aria-hidden className="self-center" />
          {thread}
        </button>
      )}
      {answers !== null && (
        <span className={`${chip} text-faint`} title={`Answers notice ${answers}`}>
          <CornerUpLeft size={11} aria-hidden className="self-center" />
          <span className="sr-only">answers </span>
          {answers}
        </span>
      )}
      {ack !== null && <Answers notice={notice} />}
    </span>
  );
}

/** A question of an agent and the box that answers it. What is typed is kept like any draft. */
import { CornerDownLeft } from 'lucide-react';
import { useId, useState } from 'react';
import { useAnswer } from '@/api/mutations';
import type { Task } from '@/api/nouns';
import { typed } from '@/api/presence';
import { Button } from '@/components/button';
import { Age } from '@/components/time';
import { NamedAgent } from '@/features/agent/identity';
import { keepDraft, readDraft } from '@/features/message/drafts';

export function AnswerBox({ task, context }: { task: Task; context?: React.ReactNode }) {
  const draft = `answer.${task.id}`;
  const [text, setText] = useState(() => readDraft(draft));
  const answer = useAnswer();
  const id = useId();
  const asker =
    task.targets.find((target) => target.participant === task.question?.participant)?.agent ?? 'agent';

  function write(next: string): void {
    setText(next);
    keepDraft(draft, next);
  }

  function send(): void {
    const given = text.trim();
    if (given === '' || answer.isPending) return;
    answer.mutate({ task: task.id, session: task.session, answer: given }, { onSuccess: () => write('') });
  }

  return (
    <div className="rounded-lg border border-accent/40 bg-accent-wash px-3 py-2.5">
      <div className="flex items-center gap-2 text-xs text-muted">
        <NamedAgent name={asker} strong />
        <span>asks</span>
        <Age since={task.updated_at} />
        <span className="min-w-0 flex-1 truncate text-right">{context}</span>
      </div>
      <label htmlFor={id} className="mt-1 block font-medium wrap-anywhere whitespace-pre-wrap text-ink">
        {task.question?.question ?? 'Waiting for your answer.'}
      </label>
      <div className="mt-2 flex items-end gap-2">
        <textarea
          id={id}
          data-focus="answer"
          rows={1}
          value={text}
          placeholder="Your answer…"
          onChange={(event) => {
            write(event.target.value);
            typed(task.session);
          }}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
              event.preventDefault();
              send();
            }
          }}
          className="field-sizing-content max-h-40 min-h-7 flex-1 resize-none rounded-md border border-edge bg-raised px-2 py-1 leading-4.5"
        />
        <Button tone="primary" disabled={text.trim() === '' || answer.isPending} onClick={send}>
          <CornerDownLeft size={13} aria-hidden />
          {answer.isPending ? 'Sending…' : 'Answer'}
        </Button>
      </div>
    </div>
  );
}

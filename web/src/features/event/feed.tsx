/** What happened lately, newest first. */
import { useMemo } from 'react';
import { useActivity } from '@/api/activity';
import { Age } from '@/components/time';
import { NamedAgent } from '@/features/agent/identity';
import { sentenceOf } from './sentence';

const TONES = { plain: 'text-muted', warn: 'text-warn', danger: 'text-danger', good: 'text-good' } as const;

export function ActivityFeed({ session, limit = 14 }: { session?: string; limit?: number }) {
  const events = useActivity((activity) => activity.events);
  const lines = useMemo(() => {
    const found = [];
    for (const event of events) {
      if (session !== undefined && event.session !== session) continue;
      const sentence = sentenceOf(event);
      if (sentence) found.push({ event, sentence });
      if (found.length === limit) break;
    }
    return found;
  }, [events, limit, session]);
  if (lines.length === 0) {
    return <p className="px-4 text-xs text-faint">Events appear here as they happen.</p>;
  }
  return (
    <ol className="flex flex-col">
      {lines.map(({ event, sentence }) => (
        <li key={`${event.cursor} ${event.kind}`} className="flex items-baseline gap-2 px-4 py-0.5 text-xs">
          <span className={`min-w-0 flex-1 truncate ${TONES[sentence.tone]}`}>
            {sentence.agent && (
              <span className="mr-1 align-bottom">
                <NamedAgent name={sentence.agent} />
              </span>
            )}
            {sentence.text}
            {sentence.what && <span className="ml-1 font-mono text-2xs text-ink">{sentence.what}</span>}
          </span>
          <Age since={event.ts} className="shrink-0 text-2xs text-faint" />
        </li>
      ))}
    </ol>
  );
}

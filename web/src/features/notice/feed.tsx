/** What the agents tell each other, newest first, by channel. */
import { X } from 'lucide-react';
import { useState } from 'react';
import type { Notice } from '@/api/nouns';
import { CommandLine, Empty } from '@/components/empty';
import { Clock } from '@/components/time';
import { NamedAgent } from '@/features/agent/identity';
import { NoticeEnvelope } from './envelope';

/** The part of a payload that reads like a sentence; the rest stays JSON. */
export function readable(payload: unknown): string {
  if (typeof payload === 'string') return payload;
  if (typeof payload === 'object' && payload !== null) {
    const { type, text, message, path, event, file, held, agents } = payload as Record<string, unknown>;
    if (typeof file === 'string' && typeof held === 'string' && Array.isArray(agents))
      return `${agents[0]} wants ${file}, ${agents[1]} holds ${held}`;
    if (type === 'file_modified' && typeof file === 'string') return `changed ${file}`;
    const said = [event, text ?? message, path].filter((part) => typeof part === 'string');
    if (said.length > 0) return said.join(' · ');
  }
  return JSON.stringify(payload);
}

export function NoticeFeed({ notices }: { notices: Notice[] }) {
  const [channel, setChannel] = useState<string | null>(null);
  const [thread, setThread] = useState<string | null>(null);
  const channels = [...new Set(notices.map((notice) => notice.channel))].toSorted();
  const shown = notices.filter(
    (notice) =>
      (channel === null || notice.channel === channel) && (thread === null || notice.thread === thread),
  );
  if (notices.length === 0) {
    return (
      <Empty title="No notices">
        <p>Agents announce edits and conflicts here. To tell them something yourself:</p>
        <CommandLine>coditect msg send task_broadcast "hands off the parser"</CommandLine>
      </Empty>
    );
  }
  return (
    <>
      <div role="group" aria-label="Channels" className="flex flex-wrap gap-1 px-4 pb-2">
        {[null, ...channels].map((one) => (
          <button
            key={one ?? '*'}
            type="button"
            aria-pressed={channel === one}
            onClick={() => setChannel(one)}
            className={`h-6 rounded-full px-2.5 text-xs ${
              channel === one
                ? 'bg-accent-wash font-medium text-accent'
                : 'text-muted hover:bg-hover hover:text-ink'
            }`}
          >
            {one ?? 'all'}
          </button>
        ))}
        {thread !== null && (
          <button
            type="button"
            onClick={() => setThread(null)}
            className="inline-flex h-6 items-center gap-1 rounded-full bg-accent-wash px-2.5 text-xs font-medium text-accent"
          >
            thread {thread}
            <X size={12} aria-hidden />
            <span className="sr-only">show all threads</span>
          </button>
        )}
      </div>
      <ol className="px-4">
        {shown
          .toSorted((a, b) => b.id - a.id)
          .map((notice) => (
            <li
              key={notice.id}
              className="grid grid-cols-[44px_minmax(72px,104px)_minmax(80px,120px)_1fr] items-baseline gap-2 border-t border-line py-1 text-xs first:border-t-0 max-sm:grid-cols-[44px_1fr_1fr]"
            >
              <Clock at={notice.created_at} className="text-faint" />
              <NamedAgent name={notice.agent} />
              <span className="truncate text-muted">{notice.channel}</span>
              <span className="min-w-0 wrap-anywhere max-sm:col-span-3">
                {readable(notice.payload)}
                <NoticeEnvelope notice={notice} onThread={setThread} />
              </span>
            </li>
          ))}
      </ol>
    </>
  );
}

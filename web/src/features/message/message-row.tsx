/** One message, or one that is being written: who, when, and its blocks. */
import { useLive } from '@/api/live';
import type { Block, Message, Participant } from '@/api/nouns';
import { Clock } from '@/components/time';
import { AgentName } from '@/features/agent/identity';
import { StatusWord } from '@/features/agent/status';
import { Clipped } from './clipped';
import { GrowingProse, Prose } from './prose';
import type { ToolResult } from './rows';
import { Thought } from './thought';
import { LooseResult, ToolCard } from './tool-card';

/** The agent's hue runs down the left of all it says, so the eye can follow one voice. */
function Voice({
  speaker,
  continues,
  children,
}: {
  speaker: Participant | null;
  continues: boolean;
  children: React.ReactNode;
}) {
  return (
    <div
      data-hue={speaker?.vendor ?? 'other'}
      className={`ml-5 border-l-2 pl-3 ${speaker ? 'border-[color-mix(in_oklab,var(--agent)_45%,transparent)]' : 'border-line'} ${continues ? 'pt-1.5' : 'mt-2'}`}
    >
      {children}
    </div>
  );
}

function Heading({
  speaker,
  author,
  at,
}: {
  speaker: Participant | null;
  author: Message['role'];
  at?: string;
}) {
  return (
    <div className="flex h-5 items-center gap-2">
      {speaker ? (
        <AgentName name={speaker.agent} hue={speaker.vendor} strong />
      ) : (
        <span className="font-semibold">{author === 'user' ? 'You' : 'Coditect'}</span>
      )}
      {at && <Clock at={at} className="text-2xs text-faint" />}
    </div>
  );
}

function BlockView({
  block,
  id,
  author,
  results,
}: {
  block: Block;
  id: string;
  author: Message['role'];
  results: Map<string, ToolResult>;
}) {
  switch (block.type) {
    case 'text':
      return author === 'assistant' ? <Prose text={block.text} /> : <Clipped id={id} text={block.text} />;
    case 'thinking':
      return <Thought id={id} text={block.text} />;
    case 'tool_call':
      return <ToolCard call={block} result={results.get(block.call_id)} live />;
    case 'tool_result':
      return <LooseResult result={block} />;
    case 'image':
      return <p className="text-xs text-muted">[image: {block.media_type}]</p>;
    default:
      return (
        <p className="text-xs text-muted">
          [{String((block as { type: unknown }).type)}: not known to this page]
        </p>
      );
  }
}

export function MessageRow({
  message,
  speaker,
  continues,
  results,
}: {
  message: Message;
  speaker: Participant | null;
  continues: boolean;
  results: Map<string, ToolResult>;
}) {
  return (
    <Voice speaker={speaker} continues={continues}>
      {!continues && <Heading speaker={speaker} author={message.role} at={message.created_at} />}
      <div
        className={`flex max-w-192 flex-col gap-1.5 ${message.blocks[0]?.type === 'tool_call' && !continues ? 'pt-1' : ''}`}
      >
        {message.blocks.map((block, index) => (
          <BlockView
            // Blocks of a committed message never change.
            // oxlint-disable-next-line react/no-array-index-key
            key={index}
            block={block}
            id={`${message.id}.${index}`}
            author={message.role}
            results={results}
          />
        ))}
      </div>
    </Voice>
  );
}

/** What is running stands in its own card above; what is waited for stands nowhere else. */
export function LiveRow({
  speaker,
  turnId,
  continues,
}: {
  speaker: Participant;
  turnId: string | null;
  continues: boolean;
}) {
  const turn = useLive((state) => (turnId === null ? undefined : state.turns[turnId]));
  return (
    <Voice speaker={speaker} continues={continues}>
      {!continues && <Heading speaker={speaker} author="assistant" />}
      <div className="flex max-w-192 flex-col gap-1.5">
        {turn?.thinking && <Thought id={turn.turn} text={turn.thinking} growing={turn.text === ''} />}
        {turn?.text && <GrowingProse text={turn.text} />}
        <div className="flex items-baseline gap-2">
          <StatusWord status={speaker.status} since={speaker.since} />
          {speaker.status === 'waiting_lock' && speaker.detail && (
            <span className="truncate font-mono text-2xs text-muted">{speaker.detail}</span>
          )}
        </div>
      </div>
    </Voice>
  );
}

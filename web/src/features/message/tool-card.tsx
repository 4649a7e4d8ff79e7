/** A tool call on one line; unfolded: the change or the arguments, and what came back. */
import { ChevronRight } from 'lucide-react';
import { useState } from 'react';
import type { Block } from '@/api/nouns';
import { Lines } from '@/components/figures';
import { useFolds } from '@/features/task/folds';
import type { ToolResult } from './rows';
import { diffOf, lookOfTool, mainArgument, sizeOf, type DiffLine } from './tool';

/** Characters of an output that are drawn before somebody asks for all of it. */
const OUTPUT_SHOWN = 4000;

type Call = Extract<Block, { type: 'tool_call' }>;

const signs: Record<DiffLine['sign'], string> = {
  '+': 'bg-good-wash text-good',
  '−': 'bg-danger-wash text-danger',
  ' ': 'text-muted',
};

function Diff({ lines }: { lines: DiffLine[] }) {
  return (
    <pre className="overflow-x-auto font-mono text-xs">
      {lines.map((line, index) => (
        // The lines of a call never change.
        // oxlint-disable-next-line react/no-array-index-key
        <div key={index} className={`min-w-fit px-2 ${signs[line.sign]}`}>
          <span aria-hidden className="inline-block w-4 select-none">
            {line.sign}
          </span>
          <span className={line.sign === ' ' ? '' : 'text-ink'}>{line.text || ' '}</span>
        </div>
      ))}
    </pre>
  );
}

function Output({ text }: { text: string }) {
  const [all, setAll] = useState(false);
  const cut = !all && text.length > OUTPUT_SHOWN;
  return (
    <>
      <pre
        // Scrollable by keyboard.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        aria-label="Output"
        className="focus-inset max-h-80 overflow-auto px-3 py-2 font-mono text-xs wrap-anywhere whitespace-pre-wrap"
      >
        {cut ? text.slice(0, OUTPUT_SHOWN) : text || '(no output)'}
      </pre>
      {cut && (
        <button
          type="button"
          onClick={() => setAll(true)}
          className="px-3 pb-2 text-xs text-accent underline"
        >
          Show all {text.length} characters
        </button>
      )}
    </>
  );
}

function Outcome({ call, result, live }: { call: Call; result: ToolResult | undefined; live: boolean }) {
  if (!result) return <span className="text-xs text-muted">{live ? 'running…' : 'no result'}</span>;
  if (result.exit_code !== null && result.exit_code !== 0) {
    return <span className="text-xs text-danger">exit {result.exit_code}</span>;
  }
  if (result.is_error) return <span className="text-xs text-danger">error</span>;
  const size = sizeOf(call.tool, call.arguments);
  if (size) return <Lines {...size} />;
  const lines = result.output === '' ? 0 : result.output.split('\n').length;
  return <span className="text-2xs text-faint">{lines > 1 ? `${lines} lines` : 'ok'}</span>;
}

export function ToolCard({
  call,
  result,
  live,
}: {
  call: Call;
  result: ToolResult | undefined;
  live: boolean;
}) {
  const key = `tool:${call.call_id}`;
  const open = useFolds((folds) => folds.cards[key] ?? false);
  const toggle = useFolds((folds) => folds.toggleCard);
  const { icon: Icon, verb } = lookOfTool(call.tool);
  const diff = open ? diffOf(call.tool, call.arguments) : null;
  return (
    <div className={`rounded-md border ${result?.is_error ? 'border-danger/35' : 'border-line'} bg-raised`}>
      <button
        type="button"
        aria-expanded={open}
        onClick={() => toggle(key)}
        className="focus-inset flex h-7 w-full items-center gap-2 rounded-md px-2 text-left hover:bg-hover"
      >
        <Icon size={13} aria-hidden className="shrink-0 text-muted" />
        <span className="shrink-0 text-xs text-muted">{verb}</span>
        <span className="min-w-0 flex-1 truncate font-mono text-xs">
          {mainArgument(call.tool, call.arguments)}
        </span>
        <Outcome call={call} result={result} live={live} />
        <ChevronRight
          size={12}
          aria-hidden
          className={`shrink-0 text-faint transition-transform duration-100 ${open ? 'rotate-90' : ''}`}
        />
      </button>
      {call.tool === 'ask_user' && result && !open && (
        <p className="truncate px-2 pb-1.5 pl-7.5 text-xs">
          <span className="text-muted">You: </span>
          {result.output}
        </p>
      )}
      {open && (
        <div className="divide-y divide-line border-t border-line">
          {diff ? <Diff lines={diff} /> : <Output text={JSON.stringify(call.arguments, null, 2)} />}
          {result && (!diff || result.is_error) && <Output text={result.output} />}
        </div>
      )}
    </div>
  );
}

/** A result whose call is on a page of history that is not loaded. */
export function LooseResult({ result }: { result: ToolResult }) {
  return (
    <ToolCard
      call={{ type: 'tool_call', call_id: result.call_id, tool: result.tool, arguments: {} }}
      result={result}
      live={false}
    />
  );
}

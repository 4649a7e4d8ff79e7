/** What a tool call says in one line, and the change it makes when it is an edit. */
import {
  CircleHelp,
  FilePlus2,
  FileText,
  FolderTree,
  ListTree,
  Megaphone,
  PencilLine,
  Search,
  SquareTerminal,
  Wrench,
  type LucideIcon,
} from 'lucide-react';

interface Look {
  icon: LucideIcon;
  /** What was done, as a verb. */
  verb: string;
  /** The argument that says most. */
  main: string;
}

const LOOKS: Record<string, Look> = {
  read_file: { icon: FileText, verb: 'Read', main: 'path' },
  write_file: { icon: FilePlus2, verb: 'Wrote', main: 'path' },
  edit_file: { icon: PencilLine, verb: 'Edited', main: 'path' },
  list_directory: { icon: FolderTree, verb: 'Listed', main: 'path' },
  search_files: { icon: Search, verb: 'Searched', main: 'pattern' },
  bash: { icon: SquareTerminal, verb: 'Ran', main: 'command' },
  ask_user: { icon: CircleHelp, verb: 'Asked', main: 'question' },
  propose_plan: { icon: ListTree, verb: 'Proposed a plan', main: '' },
  send_notice: { icon: Megaphone, verb: 'Told', main: 'channel' },
};

export function lookOfTool(tool: string): Look {
  return LOOKS[tool] ?? { icon: Wrench, verb: tool, main: '' };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function mainArgument(tool: string, given: unknown): string {
  const values = record(given);
  if (tool === 'send_notice')
    return [values.channel, values.text].filter((part) => typeof part === 'string').join(': ');
  const main = values[lookOfTool(tool).main];
  if (typeof main === 'string') return main;
  const first = Object.values(values).find((value) => typeof value === 'string');
  return typeof first === 'string' ? first : '';
}

export interface DiffLine {
  sign: '+' | '−' | ' ';
  text: string;
}

/** The lines an edit takes out and puts in; null for calls that change no file. */
export function diffOf(tool: string, given: unknown): DiffLine[] | null {
  const { old, new: fresh, content } = record(given);
  const lines = (text: string, sign: DiffLine['sign']): DiffLine[] =>
    text
      .replace(/\n$/, '')
      .split('\n')
      .map((line) => ({ sign, text: line }));
  if (tool === 'edit_file' && typeof old === 'string' && typeof fresh === 'string') return pair(old, fresh);
  if (tool === 'write_file' && typeof content === 'string') return lines(content, '+');
  return null;
}

/** How many lines an edit puts in and takes out. */
export function sizeOf(tool: string, given: unknown): { added: number; removed: number } | null {
  const lines = diffOf(tool, given);
  const count = (sign: DiffLine['sign']) => lines?.filter((line) => line.sign === sign).length ?? 0;
  return lines && { added: count('+'), removed: count('−') };
}

/** Common first and last lines are context, what is between them changed. */
function pair(old: string, fresh: string): DiffLine[] {
  const before = old.replace(/\n$/, '').split('\n');
  const after = fresh.replace(/\n$/, '').split('\n');
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  ) {
    tail += 1;
  }
  const as = (sign: DiffLine['sign'], list: string[]): DiffLine[] => list.map((text) => ({ sign, text }));
  return [
    ...as(' ', before.slice(0, head)),
    ...as('−', before.slice(head, before.length - tail)),
    ...as('+', after.slice(head, after.length - tail)),
    ...as(' ', before.slice(before.length - tail)),
  ];
}

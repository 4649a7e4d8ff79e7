/** One row of the transcript, by its kind. */
import { memo } from 'react';
import type { Task } from '@/api/nouns';
import {
  AttemptRow,
  CheckpointRow,
  EndRow,
  HiddenRow,
  PlanEndRow,
  PlanRow,
  PromptRow,
  QuestionRow,
  TaskHead,
} from '@/features/task/task-row';
import { CondensedRow } from './condensed-row';
import { LiveRow, MessageRow } from './message-row';
import type { Row, ToolResult } from './rows';

export interface RowProps {
  row: Row;
  results: Map<string, ToolResult>;
  onOpenPlan(): void;
  onAgain(task: Task): void;
}

export const RowView = memo(function RowView({ row, results, onOpenPlan, onAgain }: RowProps) {
  switch (row.kind) {
    case 'task':
      return (
        <div className={row.first ? 'pt-3' : 'pt-2'}>
          <TaskHead task={row.task} fold={row.fold} figures={row.figures} />
        </div>
      );
    case 'prompt':
      return <PromptRow task={row.task} />;
    case 'hidden':
      return <HiddenRow task={row.task} count={row.count} />;
    case 'message':
      return (
        <MessageRow message={row.message} speaker={row.speaker} continues={row.continues} results={results} />
      );
    case 'live':
      return <LiveRow speaker={row.speaker} turnId={row.turn} continues={row.continues} />;
    case 'question':
      return <QuestionRow task={row.task} />;
    case 'attempt':
      return <AttemptRow turn={row.turn} />;
    case 'end':
      return <EndRow task={row.task} onAgain={onAgain} />;
    case 'plan':
      return <PlanRow plan={row.plan} summary={row.summary} onOpen={onOpenPlan} />;
    case 'plan_end':
      return <PlanEndRow plan={row.plan} summary={row.summary} onOpen={onOpenPlan} />;
    case 'checkpoint':
      return <CheckpointRow checkpoint={row.checkpoint} inside={row.task !== null} />;
    case 'condensed':
      return <CondensedRow compaction={row.compaction} />;
    case 'earlier':
      return <p className="py-2 text-center text-xs text-faint">Loading earlier messages…</p>;
    default:
      return null;
  }
});

/** What the session changed, by file: how much, by whom, under which lock. */
import type { Checkpoint, FileChange, Participant, Task } from '@/api/nouns';
import { Empty } from '@/components/empty';
import { Lines, many } from '@/components/figures';
import { Section } from '@/components/section';
import { AgentName } from '@/features/agent/identity';
import { CheckpointList } from '@/features/checkpoint/list';
import { tokenWord } from '@/features/lock/table';
import { changesByFile, type ChangedFile } from './by-file';

function Who({ ids, participants }: { ids: string[]; participants: Participant[] }) {
  return (
    <span className="flex flex-wrap gap-x-3">
      {ids.map((id) => {
        const seat = participants.find((one) => one.id === id);
        return seat && <AgentName key={id} name={seat.agent} hue={seat.vendor} />;
      })}
    </span>
  );
}

function FileRow({
  file,
  participants,
  tasks,
}: {
  file: ChangedFile;
  participants: Participant[];
  tasks: Task[];
}) {
  const title = (change: FileChange) => tasks.find((task) => task.id === change.task)?.title;
  return (
    <li>
      <details className="group border-t border-line first:border-t-0">
        <summary
          data-row
          className="focus-inset flex min-h-8 list-none flex-wrap items-center gap-x-3 rounded-sm px-4 hover:bg-hover [&::-webkit-details-marker]:hidden"
        >
          <span className="min-w-40 flex-1 truncate font-mono text-xs">{file.path}</span>
          {file.created && <span className="rounded-sm bg-good-wash px-1 text-2xs text-good">new</span>}
          <Who ids={file.participants} participants={participants} />
          <span className="w-16 text-right text-2xs text-faint">{many(file.changes.length, 'edit')}</span>
          <span className="w-20 text-right">
            <Lines added={file.added} removed={file.removed} />
          </span>
        </summary>
        <ul className="pb-2">
          {file.changes.map((change) => (
            <li
              key={`${change.turn} ${change.after}`}
              className="flex items-baseline gap-3 px-4 py-0.5 pl-8 text-xs text-muted"
            >
              <Who ids={[change.participant]} participants={participants} />
              <span className="min-w-0 flex-1 truncate">{title(change)}</span>
              <span className="font-mono text-2xs text-faint">token {tokenWord(change.token)}</span>
              <span className="w-20 text-right">
                <Lines added={change.lines_added} removed={change.lines_removed} />
              </span>
            </li>
          ))}
        </ul>
      </details>
    </li>
  );
}

export function ChangesView({
  tasks,
  participants,
  checkpoints,
}: {
  tasks: Task[];
  participants: Participant[];
  checkpoints: Checkpoint[];
}) {
  const files = changesByFile(tasks);
  if (files.length === 0 && checkpoints.length === 0) {
    return (
      <Empty title="No file has been changed">
        <p>Edits appear here the moment they are written, with who made them and under which lock.</p>
      </Empty>
    );
  }
  return (
    <div className="max-w-256 pt-2 pb-8">
      <Section title="Files" count={files.length}>
        <ul>
          {files.map((file) => (
            <FileRow key={file.path} file={file} participants={participants} tasks={tasks} />
          ))}
        </ul>
      </Section>
      <CheckpointList checkpoints={checkpoints} />
    </div>
  );
}

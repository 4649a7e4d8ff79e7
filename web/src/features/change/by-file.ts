import { groupBy } from '@/app/group-by';
import type { FileChange, Task } from '@/api/nouns';

export interface ChangedFile {
  path: string;
  created: boolean;
  added: number;
  removed: number;
  participants: string[];
  /** In the order they were made. */
  changes: FileChange[];
}

/** Every change of the tasks, gathered by path. */
export function changesByFile(tasks: readonly Task[]): ChangedFile[] {
  const groups = groupBy(
    tasks.flatMap((task) => task.changes),
    (change) => change.path,
  );
  return [...groups]
    .map(([path, changes]) => ({
      path,
      created: changes[0]?.before === null,
      added: changes.reduce((sum, change) => sum + change.lines_added, 0),
      removed: changes.reduce((sum, change) => sum + change.lines_removed, 0),
      participants: [...new Set(changes.map((change) => change.participant))],
      changes,
    }))
    .toSorted((a, b) => a.path.localeCompare(b.path));
}

/** Checkpoints of a session, the newest first, and the way back to each. What is there is kept before, so a way back has one, too. */
import { Flag, History } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { useRestoreCheckpoint } from '@/api/mutations';
import type { Checkpoint } from '@/api/nouns';
import { Button } from '@/components/button';
import { CopyButton } from '@/components/empty';
import { many } from '@/components/figures';
import { Section } from '@/components/section';
import { Clock } from '@/components/time';
import { displayName } from '@/features/agent/identity';
import { automatic, called } from './kind';

/** Asks before files change. The question has the focus, for whoever has no mouse. */
function Ask({ checkpoint, done }: { checkpoint: Checkpoint; done: () => void }) {
  const restore = useRestoreCheckpoint();
  const yes = useRef<HTMLButtonElement>(null);
  useEffect(() => yes.current?.focus(), []);
  const go = (): void => {
    restore.mutate({ checkpoint: checkpoint.id, session: checkpoint.session }, { onSettled: done });
  };
  return (
    <span
      role="group"
      aria-label={`Restore all files: ${called(checkpoint)}`}
      className="flex items-center gap-1.5"
    >
      <span className="text-muted">What is there now is kept first.</span>
      <Button ref={yes} tone="primary" disabled={restore.isPending} onClick={go}>
        {restore.isPending ? 'Restoring…' : 'Restore'}
      </Button>
      <Button disabled={restore.isPending} onClick={done}>
        Keep as it is
      </Button>
    </span>
  );
}

function Restore({ checkpoint }: { checkpoint: Checkpoint }) {
  const [asked, ask] = useState(false);
  if (asked) return <Ask checkpoint={checkpoint} done={() => ask(false)} />;
  return (
    <Button aria-label={`Restore files: ${called(checkpoint)}`} onClick={() => ask(true)}>
      <History size={12} aria-hidden />
      Restore files
    </Button>
  );
}

function Row({ checkpoint }: { checkpoint: Checkpoint }) {
  const changed = checkpoint.point?.changed ?? checkpoint.paths.length;
  return (
    <li className="flex min-h-8 flex-wrap items-center gap-x-3 px-4 py-1 text-xs">
      <Flag size={12} aria-hidden className={automatic(checkpoint) ? 'text-faint' : 'text-good'} />
      <code className="font-mono">{checkpoint.commit.slice(0, 10)}</code>
      <CopyButton text={checkpoint.commit} label="Copy the commit" />
      <span className="min-w-40 flex-1 truncate">{called(checkpoint)}</span>
      <span className="text-muted">{checkpoint.co_authors.map(displayName).join(', ')}</span>
      <span className="text-muted">{many(changed, 'file')}</span>
      <Clock at={checkpoint.created_at} className="text-muted" />
      {checkpoint.point && <Restore checkpoint={checkpoint} />}
    </li>
  );
}

export function CheckpointList({ checkpoints }: { checkpoints: Checkpoint[] }) {
  if (checkpoints.length === 0) return null;
  return (
    <Section title="Checkpoints" count={checkpoints.length} className="mt-4">
      <ul aria-label="Checkpoints">
        {checkpoints.toReversed().map((one) => (
          <Row key={one.id} checkpoint={one} />
        ))}
      </ul>
    </Section>
  );
}

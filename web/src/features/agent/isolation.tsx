/** How far an agent is kept apart from the user's checkout, and from the rest of the machine. */
import { FolderGit2, ShieldAlert, ShieldCheck, Users, type LucideIcon } from 'lucide-react';
import type { Agent } from '@/api/nouns';

interface Look {
  word: string;
  meaning: string;
  icon: LucideIcon;
  /** What is promised is not held. */
  warns: boolean;
}

/** A sandbox that nothing holds is none, whatever was configured. */
export function isolationOf(agent: Pick<Agent, 'isolation' | 'sandbox'>): Look {
  if (agent.isolation === 'shared') {
    return {
      word: 'shared',
      meaning: 'Works in your checkout, beside the others',
      icon: Users,
      warns: false,
    };
  }
  if (agent.isolation === 'worktree') {
    return {
      word: 'worktree',
      meaning: 'Works in a git worktree of its own',
      icon: FolderGit2,
      warns: false,
    };
  }
  const heldBy = agent.sandbox?.held_by;
  if (heldBy) {
    const meaning = `Works in a worktree of its own, in a sandbox held by ${heldBy}`;
    return { word: 'sandbox', meaning, icon: ShieldCheck, warns: false };
  }
  const why = agent.sandbox?.reason ?? 'nothing on this machine holds one';
  return { word: 'UNSANDBOXED', meaning: `No sandbox: ${why}`, icon: ShieldAlert, warns: true };
}

export function IsolationMark({ agent }: { agent: Agent }) {
  const { word, meaning, icon: Icon, warns } = isolationOf(agent);
  return (
    <span
      className={`inline-flex shrink-0 items-center gap-1 text-2xs ${warns ? 'font-semibold text-warn' : 'text-faint'}`}
      title={meaning}
    >
      <Icon size={11} aria-hidden />
      <span>{word}</span>
      {!warns && <span className="sr-only">: {meaning}</span>}
    </span>
  );
}

/** Why a promised sandbox is none, in sight and not only under the pointer. */
export function Unsandboxed({ agent }: { agent: Agent }) {
  const { meaning, warns } = isolationOf(agent);
  return warns ? <span className="pl-5 text-2xs text-warn">{meaning}</span> : null;
}

/** The four groups of the session list: needs you, working, idle, done. */
import type { Session } from '@/api/nouns';

export type Group = 'needs' | 'working' | 'idle' | 'done';

export const GROUP_TITLES: Record<Group, string> = {
  needs: 'Needs you',
  working: 'Working',
  idle: 'Idle',
  done: 'Done',
};

/** A failed session needs its user as much as one that asks. */
export function groupOf(session: Session): Group {
  if (session.needs_input > 0 || session.state === 'failed') return 'needs';
  if (session.state === 'running') return 'working';
  return session.state === 'completed' ? 'done' : 'idle';
}

/** Sessions by group, each group newest first. */
export function grouped(sessions: readonly Session[]): Record<Group, Session[]> {
  const groups: Record<Group, Session[]> = { needs: [], working: [], idle: [], done: [] };
  for (const session of sessions) if (!session.archived) groups[groupOf(session)].push(session);
  for (const group of Object.values(groups)) group.sort((a, b) => b.created_at.localeCompare(a.created_at));
  return groups;
}

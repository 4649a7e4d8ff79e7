/** The choice that is made where a plan begins: one checkout for all, or a worktree for each agent. */
export function WorktreesBox({ on, onChange }: { on: boolean; onChange(on: boolean): void }) {
  return (
    <label
      className="flex min-h-6 items-center gap-1.5 pr-1 text-xs text-muted"
      title="Each agent works in a git worktree of its own; all of it comes to the branch at the end"
    >
      <input type="checkbox" checked={on} onChange={(event) => onChange(event.target.checked)} />
      Worktrees
    </label>
  );
}

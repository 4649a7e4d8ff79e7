import { displayName, Glyph, type Hue } from './identity';

/** An agent that can be chosen or left out. Pressed or not is said by shape and state, not by colour alone. */
export function AgentChip({
  name,
  hue,
  on,
  onToggle,
  disabled = false,
  title,
  keys,
}: {
  name: string;
  hue: Hue;
  on: boolean;
  onToggle(): void;
  disabled?: boolean;
  title?: string;
  keys?: string | undefined;
}) {
  return (
    <button
      type="button"
      data-hue={hue}
      aria-pressed={on}
      aria-keyshortcuts={keys}
      disabled={disabled}
      title={title}
      onClick={onToggle}
      className={`inline-flex h-7 items-center gap-1.5 rounded-full border pr-2.5 pl-2 text-xs select-none disabled:opacity-50 ${
        on
          ? 'border-(--agent) bg-[color-mix(in_oklab,var(--agent)_11%,transparent)] font-medium text-ink'
          : 'border-edge/60 border-dashed text-muted hover:bg-hover hover:text-ink'
      }`}
    >
      <Glyph hue={hue} size={12} />
      {displayName(name)}
    </button>
  );
}

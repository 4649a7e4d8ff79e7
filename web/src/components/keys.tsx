/** A key binding as a person reads it: `$mod+k` is ⌘K on a Mac and Ctrl K elsewhere. */

const mac = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.platform);

const names: Record<string, string> = mac
  ? { $mod: '⌘', Shift: '⇧', Alt: '⌥', Control: '⌃' }
  : { $mod: 'Ctrl', Shift: 'Shift', Alt: 'Alt', Control: 'Ctrl' };

const caps: Record<string, string> = {
  Enter: '⏎',
  Escape: 'Esc',
  Backspace: '⌫',
  ArrowUp: '↑',
  ArrowDown: '↓',
  Backslash: '\\',
};

function cap(key: string): string {
  if (names[key]) return names[key];
  if (caps[key]) return caps[key];
  if (/^Digit\d$/.test(key)) return key.slice(5);
  if (/^Key[A-Z]$/.test(key)) return key.slice(3);
  return key.length === 1 ? key.toUpperCase() : key;
}

/** The caps of each press of a binding, in order. */
export function capsOf(binding: string): string[][] {
  return binding.split(' ').map((press) => {
    const parts = press.split('+').map(cap);
    // `?` already implies Shift.
    return parts.length === 2 && parts[0] === names.Shift && parts[1] === '?' ? ['?'] : parts;
  });
}

export function Keys({
  binding,
  inverse = false,
  className = '',
}: {
  binding: string;
  inverse?: boolean;
  className?: string;
}) {
  const look = inverse ? 'border-canvas/40 text-canvas' : 'border-line text-muted bg-sunken';
  return (
    <span className={`inline-flex shrink-0 items-center gap-1 ${className}`}>
      {capsOf(binding).map((press, index) => (
        <kbd
          // Presses of one binding never change their order.
          // oxlint-disable-next-line react/no-array-index-key
          key={`${index}${press.join()}`}
          className={`min-w-4 rounded-sm border px-1 text-center font-sans text-2xs leading-4 ${look}`}
        >
          {press.join(mac ? '' : ' ')}
        </kbd>
      ))}
    </span>
  );
}

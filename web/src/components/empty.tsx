import { Check, Copy } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { Tip } from './tip';

/** Copies text and says so where the eye already is. */
export function CopyButton({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  return (
    <Tip text={done ? 'Copied' : label}>
      <button
        type="button"
        aria-label={label}
        className="grid size-6 shrink-0 place-items-center rounded-sm text-faint hover:bg-hover hover:text-ink"
        onClick={() => {
          void navigator.clipboard.writeText(text).then(() => {
            setDone(true);
            setTimeout(() => setDone(false), 1500);
          });
        }}
      >
        {done ? <Check size={12} aria-hidden /> : <Copy size={12} aria-hidden />}
      </button>
    </Tip>
  );
}

/** A command a person can copy and run. */
export function CommandLine({ children }: { children: string }) {
  return (
    <span className="inline-flex max-w-full items-center gap-1 rounded-md border border-line bg-sunken py-0.5 pr-1 pl-2">
      <code className="min-w-0 font-mono text-xs wrap-anywhere">{children}</code>
      <CopyButton text={children} label="Copy the command" />
    </span>
  );
}

/** Nothing here yet, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="flex flex-col items-start gap-2 px-4 py-6 text-muted">
      <p className="font-medium text-ink">{title}</p>
      {children}
    </div>
  );
}

export function Skeleton({ rows = 3 }: { rows?: number }) {
  return (
    <div aria-hidden className="flex flex-col gap-2 px-4 py-3">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className={`skeleton h-4 ${['w-3/4', 'w-1/2', 'w-2/3'][row % 3]}`} />
      ))}
    </div>
  );
}

/** Something could not be read. Says what, and offers to try again. */
export function Trouble({ text, retry }: { text: string; retry?: () => void }) {
  return (
    <div role="alert" className="m-4 flex items-center gap-3 rounded-md bg-danger-wash px-3 py-2 text-danger">
      <span className="min-w-0 flex-1">{text}</span>
      {retry && (
        <button type="button" onClick={retry} className="shrink-0 underline underline-offset-2">
          Try again
        </button>
      )}
    </div>
  );
}

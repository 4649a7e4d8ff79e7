import { KeyRound } from 'lucide-react';
import { CommandLine } from '@/components/empty';

/** The cookie is gone or was never there. Only the terminal can hand out a new one. */
export function SignedOut() {
  return (
    <main className="grid h-full place-items-center p-6">
      <div className="flex max-w-96 flex-col items-start gap-3">
        <KeyRound size={20} aria-hidden className="text-accent" />
        <h1 className="text-lg font-semibold">This page is not signed in</h1>
        <p className="text-muted">
          The daemon lets a page in by a link that works once. Run this in a terminal; it opens the page anew:
        </p>
        <CommandLine>coditect up</CommandLine>
      </div>
    </main>
  );
}

/** Where a session came from that a vendor's own program led: read from its transcript. */
import { Import } from 'lucide-react';
import type { Session, Vendor } from '@/api/nouns';
import { dayOf, fullTime } from '@/components/time';
import { Glyph } from '@/features/agent/identity';

const PROGRAMS: Record<Vendor, string> = {
  anthropic: 'Claude Code',
  google: 'Gemini CLI',
  moonshot: 'Kimi Code',
  openai: 'Codex',
};

/** In one sentence: whose, and when it began. */
export function originOf(session: Session): string | null {
  const { origin } = session;
  if (!origin) return null;
  const version = origin.version === null ? '' : ` ${origin.version}`;
  return `Imported from ${PROGRAMS[origin.vendor]}${version}, begun ${fullTime(session.created_at)}`;
}

/** For a list: a sign, and the vendor's glyph. */
export function OriginMark({ session }: { session: Session }) {
  const said = originOf(session);
  if (said === null || !session.origin) return null;
  return (
    <span className="flex shrink-0 items-center gap-0.5 text-faint" title={said}>
      <Import size={11} aria-hidden />
      <Glyph hue={session.origin.vendor} size={11} />
      <span className="sr-only">{said}</span>
    </span>
  );
}

/** For the session itself: in words. */
export function OriginChip({ session }: { session: Session }) {
  const said = originOf(session);
  if (said === null || !session.origin) return null;
  return (
    <span
      className="flex shrink-0 items-center gap-1 rounded-sm bg-hover px-1.5 text-2xs text-muted max-sm:hidden"
      title={session.origin.cwd === null ? said : `${said}, in ${session.origin.cwd}`}
    >
      <Import size={11} aria-hidden />
      <span className="sr-only">{said}</span>
      <span className="max-lg:hidden" aria-hidden>
        {PROGRAMS[session.origin.vendor]} · {dayOf(session.created_at)}
      </span>
      <span className="lg:hidden" aria-hidden>
        imported
      </span>
    </span>
  );
}

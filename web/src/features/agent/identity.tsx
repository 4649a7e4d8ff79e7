/**
 * Who an agent is at a glance: hue, glyph and name. Each alone is enough; colour is never the only
 * sign. The glyphs are plain geometry, one per vendor.
 */
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { agentsQuery } from '@/api/queries';
import type { Vendor } from '@/api/nouns';

export type Hue = Vendor | 'other';

const GLYPHS: Record<Hue, ReactNode> = {
  anthropic: <path d="M7 1.5v11M2.25 4.25l9.5 5.5M11.75 4.25l-9.5 5.5" />,
  google: (
    <>
      <circle cx="5" cy="7" r="3.6" />
      <circle cx="9" cy="7" r="3.6" />
    </>
  ),
  moonshot: <path d="M11.6 8.9A5.2 5.2 0 1 1 6.2 1.9a4.1 4.1 0 0 0 5.4 7Z" fill="currentColor" />,
  openai: <path d="M7 1.4 11.9 4.2v5.6L7 12.6 2.1 9.8V4.2ZM7 5.3v3.4" />,
  other: <path d="M7 1.8 12.2 7 7 12.2 1.8 7Z" />,
};

/** Guesses from what a terminal session called itself; only for those we did not configure. */
function hueOfName(name: string): Hue {
  if (/claude|anthropic/i.test(name)) return 'anthropic';
  if (/gemini|google/i.test(name)) return 'google';
  if (/kimi|moonshot/i.test(name)) return 'moonshot';
  if (/codex|openai|gpt/i.test(name)) return 'openai';
  return 'other';
}

/** The hue of an agent by its name. */
export function useHues(): (agent: string) => Hue {
  const { data } = useQuery(agentsQuery);
  return (agent) => data?.find((one) => one.name === agent)?.vendor ?? hueOfName(agent);
}

/** Names start with a capital where people read them. */
export function displayName(agent: string): string {
  return agent.charAt(0).toUpperCase() + agent.slice(1);
}

export function Glyph({ hue, size = 14, label }: { hue: Hue; size?: number; label?: string }) {
  return (
    <svg
      data-hue={hue}
      viewBox="0 0 14 14"
      width={size}
      height={size}
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      className="shrink-0 self-center text-(--agent)"
      {...(label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': true })}
    >
      {GLYPHS[hue]}
    </svg>
  );
}

/** Glyph and name of an agent, in its hue. */
export function AgentName({
  name,
  hue,
  strong = false,
  narrow = false,
}: {
  name: string;
  hue: Hue;
  strong?: boolean;
  /** The glyph alone where there is little room. */
  narrow?: boolean;
}) {
  return (
    <span
      data-hue={hue}
      className={`inline-flex min-w-0 items-baseline gap-1.5 ${strong ? 'font-semibold' : ''}`}
    >
      <Glyph hue={hue} />
      <span className={`truncate text-(--agent) ${narrow ? 'max-sm:sr-only' : ''}`}>{displayName(name)}</span>
    </span>
  );
}

/** The same, for a place that knows only the agent's name. */
export function NamedAgent({ name, strong = false }: { name: string; strong?: boolean }) {
  const hueOf = useHues();
  return <AgentName name={name} hue={hueOf(name)} strong={strong} />;
}

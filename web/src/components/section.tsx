import type { ReactNode } from 'react';

/** A titled part of a pane. The title is small and quiet; what is under it is what matters. */
export function Section({
  title,
  count,
  aside,
  level = 2,
  children,
  className = '',
}: {
  title: string;
  count?: number | undefined;
  aside?: ReactNode;
  level?: 2 | 3;
  children: ReactNode;
  className?: string;
}) {
  const Heading = `h${level}` as const;
  return (
    <section className={className}>
      <div className="flex h-7 items-center gap-2 px-4">
        <Heading className="text-xs font-medium text-muted">{title}</Heading>
        {count !== undefined && count > 0 && <span className="text-2xs text-faint">{count}</span>}
        <span className="flex-1" />
        {aside}
      </div>
      {children}
    </section>
  );
}

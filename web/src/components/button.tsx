import type { ComponentProps } from 'react';
import { Tip } from './tip';

type Tone = 'plain' | 'primary' | 'quiet' | 'danger';

const base =
  'inline-flex items-center justify-center gap-1.5 rounded-md text-sm whitespace-nowrap transition-colors duration-100 disabled:opacity-55 disabled:pointer-events-none select-none';

const tones: Record<Tone, string> = {
  plain: 'border border-edge/60 bg-raised hover:bg-hover',
  primary: 'bg-accent text-accent-ink font-medium hover:opacity-90',
  quiet: 'text-muted hover:bg-hover hover:text-ink',
  danger: 'border border-edge/60 bg-raised text-danger hover:bg-danger-wash',
};

export function Button({
  tone = 'plain',
  size = 'md',
  className = '',
  ...rest
}: ComponentProps<'button'> & { tone?: Tone; size?: 'sm' | 'md' }) {
  const form = size === 'sm' ? 'h-6 px-2 text-xs' : 'h-7 px-2.5';
  return <button type="button" className={`${base} ${tones[tone]} ${form} ${className}`} {...rest} />;
}

/** A square button whose name is its tooltip. */
export function IconButton({
  label,
  keys,
  className = '',
  side,
  ...rest
}: Omit<ComponentProps<'button'>, 'aria-label'> & {
  label: string;
  keys?: string | undefined;
  side?: 'top' | 'bottom' | 'left' | 'right';
}) {
  return (
    <Tip text={label} keys={keys} {...(side ? { side } : {})}>
      <button
        type="button"
        aria-label={label}
        className={`${base} ${tones.quiet} size-7 shrink-0 ${className}`}
        {...rest}
      />
    </Tip>
  );
}

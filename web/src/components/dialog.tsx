/**
 * A modal over the page, by the browser's own `<dialog>`: focus is kept inside and given back, the rest is inert,
 * Esc closes. No style element is injected, so the content security policy can stay strict.
 */
import { useEffect, useRef, type ReactNode } from 'react';

const places = {
  centre:
    'inset-x-0 top-[12vh] mx-auto w-160 max-w-[calc(100vw-24px)] max-h-[76vh] rounded-lg border border-line',
  left: 'inset-y-0 left-0 h-full w-72 max-w-[86vw] border-r border-line',
  right: 'inset-y-0 right-0 left-auto h-full w-80 max-w-[92vw] border-l border-line',
} as const;

export function Dialog({
  open,
  onClose,
  label,
  place = 'centre',
  className = '',
  children,
}: {
  open: boolean;
  onClose(): void;
  label: string;
  place?: keyof typeof places;
  className?: string;
  children: ReactNode;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog || !open) return;
    if (!dialog.open) dialog.showModal();
    return () => dialog.close();
  }, [open]);
  if (!open) return null;
  return (
    // The click handler only adds a way out for pointers; Esc is the keyboard's.
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions
    <dialog
      ref={ref}
      aria-label={label}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === ref.current) onClose();
      }}
      className={`rise fixed overflow-hidden bg-raised text-sm text-ink shadow-float open:flex open:flex-col ${places[place]} ${className}`}
    >
      {children}
    </dialog>
  );
}

/** A pane edge that can be dragged and moved by the arrow keys. Width in CSS pixels, remembered. */
import { useState, type KeyboardEvent, type PointerEvent } from 'react';
import { recall, remember } from './remember';

export interface Pane {
  width: number;
  setWidth(width: number): void;
  min: number;
  max: number;
}

const STEP = 16;

export function usePane(name: string, initial: number, min: number, max: number): Pane {
  const clamp = (width: number) => Math.round(Math.min(max, Math.max(min, width)));
  const [width, setWidth] = useState(() => clamp(Number(recall(`pane.${name}`)) || initial));
  return {
    width,
    min,
    max,
    setWidth(next) {
      setWidth(clamp(next));
      remember(`pane.${name}`, String(clamp(next)));
    },
  };
}

export function Splitter({ pane, label, side }: { pane: Pane; label: string; side: 'left' | 'right' }) {
  const sign = side === 'left' ? 1 : -1;

  function onKeyDown(event: KeyboardEvent): void {
    const step = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    pane.setWidth(pane.width + step * sign);
  }

  function onPointerDown(event: PointerEvent<HTMLDivElement>): void {
    const handle = event.currentTarget;
    const from = event.clientX;
    const width = pane.width;
    handle.setPointerCapture(event.pointerId);
    const move = (moved: globalThis.PointerEvent) => pane.setWidth(width + (moved.clientX - from) * sign);
    handle.addEventListener('pointermove', move);
    handle.addEventListener('pointerup', () => handle.removeEventListener('pointermove', move), {
      once: true,
    });
  }

  return (
    // The ARIA window splitter: a separator with a value is a control.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      role="separator"
      aria-orientation="vertical"
      aria-label={label}
      aria-valuenow={pane.width}
      aria-valuemin={pane.min}
      aria-valuemax={pane.max}
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      onKeyDown={onKeyDown}
      onPointerDown={onPointerDown}
      className={`absolute inset-y-0 z-10 w-2 cursor-col-resize touch-none hover:bg-edge/25 focus-visible:bg-accent focus-visible:outline-none ${side === 'left' ? '-right-1' : '-left-1'}`}
    />
  );
}

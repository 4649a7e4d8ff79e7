/** Ages and durations. One clock for the whole page, ticking once a second while somebody looks. */
import { useSyncExternalStore } from 'react';

let now = Date.now();
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | null = null;

function subscribe(watch: () => void): () => void {
  watchers.add(watch);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of watchers) each();
  }, 1000);
  return () => {
    watchers.delete(watch);
    if (watchers.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  };
}

function look(): number {
  // Without a running timer the clock would stand still.
  if (timer === null) now = Date.now();
  return now;
}

export function useNow(): number {
  return useSyncExternalStore(subscribe, look);
}

/** `41s`, `5m`, `2h`, `3d`: how long ago, as short as it can be. */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** `0:41`, `12:03`, `1:02:03`: how long it takes, to the second. */
export function elapsed(milliseconds: number): string {
  const total = Math.max(0, Math.floor(milliseconds / 1000));
  const seconds = String(total % 60).padStart(2, '0');
  const minutes = Math.floor(total / 60) % 60;
  const hours = Math.floor(total / 3600);
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${seconds}` : `${minutes}:${seconds}`;
}

const clockForm = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});
const dayForm = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const fullForm = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** The day, as the reader writes it. */
export function dayOf(at: string): string {
  return dayForm.format(Date.parse(at));
}

/** Day and time, as the reader writes them. */
export function fullTime(at: string): string {
  return fullForm.format(Date.parse(at));
}

export function Age({ since, className = '' }: { since: string; className?: string }) {
  const at = Date.parse(since);
  return (
    <time dateTime={since} title={fullForm.format(at)} className={className}>
      {age(useNow() - at)}
    </time>
  );
}

export function Elapsed({ since, className = '' }: { since: string; className?: string }) {
  return (
    <time dateTime={since} className={className}>
      {elapsed(useNow() - Date.parse(since))}
    </time>
  );
}

/** Time of day. */
export function Clock({ at, className = '' }: { at: string; className?: string }) {
  return (
    <time dateTime={at} title={fullForm.format(Date.parse(at))} className={className}>
      {clockForm.format(Date.parse(at))}
    </time>
  );
}

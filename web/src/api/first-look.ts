/**
 * Reads wait until the stream listens: what they bring is then at least as new as where the stream begins, and
 * nothing falls between the two. A stream that takes too long or fails is not waited for.
 */

/** How long reads wait for the stream. */
export const PATIENCE_MS = 400;

let state: 'waiting' | 'ahead' | 'listening' = 'waiting';
let timer: ReturnType<typeof setTimeout> | null = null;
let open: () => void = () => undefined;
const gate = new Promise<void>((resolve) => {
  open = resolve;
});

/** Resolves when it is time to read. */
export function firstLook(): Promise<void> {
  if (state === 'waiting') timer ??= setTimeout(goAhead, PATIENCE_MS);
  return gate;
}

/** The stream will not listen soon; reads go ahead without it. */
export function goAhead(): void {
  if (state === 'waiting') state = 'ahead';
  open();
}

/** The stream listens. True when reads went ahead of it, so that they are to be repeated. */
export function listening(): boolean {
  const late = state === 'ahead';
  state = 'listening';
  open();
  return late;
}

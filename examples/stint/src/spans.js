// Spans of time: { start, end } in milliseconds, the start included and the end not.

/** Milliseconds from start to end. */
export function length(span) {
  return span.end - span.start;
}

/** True when the two have a moment in common. */
export function overlaps(a, b) {
  return a.start <= b.end && b.start <= a.end;
}

/** The same time in as few spans as possible, sorted; the given ones are left as they are. */
export function merge(spans) {
  const merged = [];
  for (const span of spans) {
    const last = merged.at(-1);
    if (last !== undefined && span.start < last.end) {
      last.end = span.end;
    } else {
      merged.push({ start: span.start, end: span.end });
    }
  }
  return merged;
}

/** The time inside `window` that no span covers. */
export function gaps(spans, window) {
  const free = [];
  let from = window.start;
  for (const span of merge(clip(spans, window))) {
    if (span.start > from) {
      free.push({ start: from, end: span.start });
    }
    from = span.end;
  }
  if (from < window.end) {
    free.push({ start: from, end: window.end });
  }
  return free;
}

/** The parts of the spans inside `window`; what is outside is dropped. */
export function clip(spans, window) {
  return spans
    .map(({ start, end }) => ({
      start: Math.max(start, window.start),
      end: Math.min(end, window.end),
    }))
    .filter((span) => span.start < span.end);
}

// Text on a terminal: how wide it is, padded, cut.

/** Columns the text takes on a terminal. */
export function width(text) {
  return text.length;
}

/** The text in a field of `columns`; `align` is "left", "right" or "center". */
export function pad(text, columns, align = "left") {
  const free = columns - width(text);
  if (free <= 0) {
    return text;
  }
  const before = { left: 0, right: free, center: Math.floor(free / 2) }[align];
  if (before === undefined) {
    throw new RangeError(`not an alignment: ${align}`);
  }
  return " ".repeat(before) + text + " ".repeat(free - before);
}

/** The text cut to `columns`, with `…` at its end when something was cut. */
export function truncate(text, columns) {
  if (width(text) <= columns) {
    return text;
  }
  return `${text.slice(0, columns - 1)}…`;
}

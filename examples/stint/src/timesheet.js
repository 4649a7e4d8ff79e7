// Timesheets: who spends what time on what.

import { format } from "./duration.js";
import { length, merge } from "./spans.js";
import { table } from "./table.js";

/** Milliseconds per label, sorted by label. Time that is entered twice counts once. */
export function totals(entries) {
  const spans = new Map();
  for (const { label, start, end } of entries) {
    spans.set(label, [...(spans.get(label) ?? []), { start, end }]);
  }
  return [...spans.keys()].sort().map((label) => {
    const milliseconds = merge(spans.get(label)).reduce((sum, span) => sum + length(span), 0);
    return { label, milliseconds };
  });
}

/** The totals as a table with a last line for all of them. */
export function report(entries) {
  const lines = totals(entries);
  const sum = lines.reduce((all, line) => all + line.milliseconds, 0);
  const rows = [...lines, { label: "total", milliseconds: sum }];
  return table(
    rows.map((line) => [line.label, format(line.milliseconds)]),
    { align: ["left", "right"] },
  );
}

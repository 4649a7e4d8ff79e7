// Tables: rows of text as aligned columns.

import { pad, width } from "./text.js";

/**
 * The rows with their columns aligned, two spaces apart. `align` has a word per column, "left" for
 * those it leaves out. A missing cell is empty.
 */
export function table(rows, { align = [] } = {}) {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, at) => widest(rows, at));
  return rows
    .map((row) => widths.map((columns, at) => pad(row[at], columns, "left")).join("  "))
    .join("\n");
}

function widest(rows, at) {
  return Math.max(...rows.map((row) => width(row[at])));
}

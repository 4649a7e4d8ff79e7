import assert from "node:assert/strict";
import { test } from "node:test";
import * as stint from "../src/index.js";

const offers = (...names) => names.forEach((name) => assert.equal(typeof stint[name], "function", name));

test("index offers durations and rounding", () => {
  offers("format", "parse", "round");
});

test("index offers spans and timesheets", () => {
  offers("clip", "gaps", "length", "merge", "overlaps", "report", "totals");
});

test("index offers text", () => {
  offers("pad", "truncate", "width", "wrap");
});

test("index offers tables", () => {
  offers("table", "toMarkdown");
});

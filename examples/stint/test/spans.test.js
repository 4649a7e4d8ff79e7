import assert from "node:assert/strict";
import { test } from "node:test";
import { clip, gaps, length, merge, overlaps } from "../src/spans.js";

const span = (start, end) => ({ start, end });

test("length is end minus start", () => {
  assert.equal(length(span(2, 5)), 3);
});

test("spans with a moment in common overlap", () => {
  assert.equal(overlaps(span(0, 5), span(4, 9)), true);
  assert.equal(overlaps(span(0, 9), span(4, 5)), true);
  assert.equal(overlaps(span(0, 4), span(5, 9)), false);
});

test("spans that touch do not overlap", () => {
  assert.equal(overlaps(span(0, 5), span(5, 9)), false);
  assert.equal(overlaps(span(5, 9), span(0, 5)), false);
});

test("merge joins what overlaps", () => {
  assert.deepEqual(merge([span(0, 5), span(4, 9), span(20, 21)]), [span(0, 9), span(20, 21)]);
});

test("merge joins what touches", () => {
  assert.deepEqual(merge([span(0, 5), span(5, 9)]), [span(0, 9)]);
});

test("merge sorts first", () => {
  assert.deepEqual(merge([span(4, 9), span(20, 21), span(0, 5)]), [span(0, 9), span(20, 21)]);
});

test("merge keeps the longer end", () => {
  assert.deepEqual(merge([span(0, 9), span(2, 4), span(6, 7)]), [span(0, 9)]);
});

test("merge leaves its input alone", () => {
  const given = [span(0, 5), span(4, 9)];
  merge(given);
  assert.deepEqual(given, [span(0, 5), span(4, 9)]);
});

test("merge of nothing is nothing", () => {
  assert.deepEqual(merge([]), []);
});

test("clip cuts to the window", () => {
  assert.deepEqual(clip([span(0, 5), span(8, 20), span(30, 40)], span(3, 10)), [span(3, 5), span(8, 10)]);
});

test("gaps are what is left of the window", () => {
  assert.deepEqual(gaps([span(2, 4), span(6, 7)], span(0, 9)), [span(0, 2), span(4, 6), span(7, 9)]);
  assert.deepEqual(gaps([], span(0, 9)), [span(0, 9)]);
});

test("gaps do not depend on the order of the spans", () => {
  assert.deepEqual(gaps([span(6, 7), span(2, 4)], span(0, 9)), [span(0, 2), span(4, 6), span(7, 9)]);
});

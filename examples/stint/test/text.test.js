import assert from "node:assert/strict";
import { test } from "node:test";
import * as text from "../src/text.js";

test("width of plain text is its length", () => {
  assert.equal(text.width("stint"), 5);
  assert.equal(text.width(""), 0);
});

test("width counts what is seen, not what it is made of", () => {
  assert.equal(text.width("naïve"), 5);
  assert.equal(text.width("e\u0301"), 1);
});

test("width of wide characters is two", () => {
  assert.equal(text.width("時間"), 4);
  assert.equal(text.width("⏱️ 5m"), 5);
  assert.equal(text.width("👩‍💻"), 2);
});

test("pad aligns", () => {
  assert.equal(text.pad("ab", 5), "ab   ");
  assert.equal(text.pad("ab", 5, "right"), "   ab");
  assert.equal(text.pad("ab", 5, "center"), " ab  ");
});

test("pad leaves alone what is wide enough", () => {
  assert.equal(text.pad("abc", 2), "abc");
});

test("pad refuses an alignment that is none", () => {
  assert.throws(() => text.pad("ab", 5, "diagonal"), RangeError);
});

test("pad sees wide characters", () => {
  assert.equal(text.pad("時間", 6), "時間  ");
});

test("truncate cuts and says so", () => {
  assert.equal(text.truncate("timesheet", 5), "time…");
  assert.equal(text.truncate("time", 5), "time");
});

test("truncate never cuts a character in two", () => {
  assert.equal(text.truncate("a👩‍💻b", 3), "a…");
  assert.equal(text.truncate("時間時間", 4), "時…");
});

test("wrap breaks at spaces", () => {
  assert.deepEqual(text.wrap("one two three four", 9), ["one two", "three", "four"]);
  assert.deepEqual(text.wrap("", 9), [""]);
});

test("wrap leaves a long word whole", () => {
  assert.deepEqual(text.wrap("a timesheet", 4), ["a", "timesheet"]);
});

//! One event of every kind with every optional field filled: what schemas, projections and replays
//! are held against. The events tell one coherent story about one session.

use model::Event;
use serde_json::{Value, json};

const AT: &str = "2026-01-31T14:23:01.000Z";

fn id(prefix: &str) -> String {
    format!("{prefix}_018f000000007000800000000000000a")
}

/// In the order of `Event::KINDS`.
///
/// # Panics
///
/// When a kind has no payload here or its payload no longer reads: then this file is to be mended.
pub fn every_event() -> Vec<Event> {
    Event::KINDS
        .iter()
        .map(|kind| match Event::parse(kind, &payload(kind).to_string()) {
            Ok(event) => event,
            Err(error) => panic!("{kind}: {error}"),
        })
        .collect()
}

fn payload(kind: &str) -> Value {
    match kind.split_once('.').map(|(noun, _)| noun) {
        Some("user") => {
            json!({ "id": id("usr"), "name": "Ada", "email": "ada@example.org", "created_at": AT })
        }
        Some("repo") => place(kind),
        Some("board" | "card" | "zone" | "trigger" | "comment") => board(kind),
        Some("worktree") => worktree(kind),
        Some("session" | "participant" | "callback") => session(kind),
        Some("task" | "queue") => task(kind),
        Some("turn" | "run") => turn(kind),
        Some("message" | "model") => message(kind),
        Some("plan") => plan(kind),
        Some("file" | "edit" | "checkpoint") => change(kind),
        Some("conflict") => conflict(),
        Some("artifact") => artifact(kind),
        Some("merge") => merge(kind),
        Some("permission" | "budget") => permission(kind),
        Some("registration" | "lock" | "notice" | "context") => bus(kind),
        Some("vendor") => {
            json!({ "vendor": "anthropic", "until": AT, "reason": "the rate of calls is limited" })
        }
        Some("transcript") => json!({
            "session": id("ses"), "vendor": "anthropic", "vendor_session": "77ec4bae/a40825",
            "source": "/home/ada/.claude/projects/a.jsonl",
            "file": { "device": 2049, "inode": 77, "size": 4000, "modified": 1_769_869_381_000_i64 },
            "from": 100, "offset": 3900, "prefix_hash": "00ff", "lines": 12, "messages": 7, "passed": 3,
            "unknown": [{
                "at": 210, "bytes": 17, "reason": "not_utf8", "text": "{}", "hex": "ff", "hash": "00ff",
            }],
            "usage": usage(), "files": [{ "path": "src/lock.rs", "call": "toolu_2" }], "again": true,
        }),
        Some("journal") => json!({ "side_file": "torn-2-1.bin", "torn_bytes": 17, "previous_epoch": 2 }),
        _ => Value::Null,
    }
}

fn artifact(kind: &str) -> Value {
    match kind {
        "artifact.created" => json!({
            "id": id("art"), "name": "report.md", "kind": "document", "bytes": 12, "hash": "ab".repeat(32),
            "session": id("ses"), "participant": id("par"), "agent": "claude", "path": "docs/report.md",
            "commit": "3f2a91c", "created_at": AT,
        }),
        _ => json!({ "artifact": id("art"), "session": id("ses") }),
    }
}

fn permission(kind: &str) -> Value {
    match kind {
        "permission.requested" => json!({
            "id": id("prm"), "session": id("ses"), "task": id("tsk"), "turn": id("trn"), "participant": id("par"),
            "ask": {
                "tool": "Bash", "category": "shell", "summary": "run `make test`",
                "arguments": { "command": "make test" }, "paths": ["Makefile"],
            },
            "arguments_hash": "00cc",
        }),
        "permission.rule_added" => json!({
            "id": id("rul"), "scope": "session", "session": id("ses"), "repo": id("rep"), "tool": "=Bash",
            "category": "shell", "paths": ["src/**"], "command": "=make test", "effect": "allow",
            "permission": id("prm"), "created_at": AT,
        }),
        "permission.rule_removed" => json!({ "rule": id("rul"), "session": id("ses") }),
        "budget.warned" => json!({
            "session": id("ses"), "task": id("tsk"), "turn": id("trn"), "participant": id("par"),
            "agent": "claude", "budget": "day", "unit": "usd", "spent": 8_100_000, "limit": 10_000_000,
        }),
        _ => json!({
            "permission": id("prm"), "session": id("ses"), "turn": id("trn"), "participant": id("par"),
            "allowed": false, "scope": "session", "by": "user", "reason": "not now",
        }),
    }
}

fn board(kind: &str) -> Value {
    let place = json!({ "x": -20, "y": 40, "width": 240, "height": 120 });
    match kind {
        "board.removed" => json!({ "board": id("brd") }),
        "card.placed" => json!({
            "id": id("crd"), "board": id("brd"), "subject": { "kind": "session", "session": id("ses") },
            "place": place, "note": "Mind the leases", "revision": 1, "created_at": AT,
        }),
        "card.moved" => json!({
            "board": id("brd"), "card": id("crd"), "place": place, "revision": 2, "entered": id("zon"),
        }),
        "card.edited" => json!({ "board": id("brd"), "card": id("crd"), "note": "Done", "revision": 3 }),
        "card.removed" => json!({ "board": id("brd"), "card": id("crd") }),
        "zone.placed" => json!({
            "id": id("zon"), "board": id("brd"), "name": "Review", "colour": "blue", "place": place,
            "trigger": {
                "action": "prompt", "template": "Review {{session.title}}", "agents": ["kimi"], "confirm": true,
            },
            "revision": 1, "created_at": AT,
        }),
        "zone.removed" => json!({ "board": id("brd"), "zone": id("zon") }),
        "trigger.fired" => json!({
            "id": id("fir"), "board": id("brd"), "card": id("crd"), "zone": id("zon"), "action": "prompt",
            "prompt": "Review Lock leases", "agents": ["kimi"], "session": id("ses"), "worktree": id("wtr"),
            "confirm": true, "fired_at": AT,
        }),
        "trigger.confirmed" => json!({ "board": id("brd"), "card": id("crd"), "firing": id("fir") }),
        "trigger.ended" => json!({
            "board": id("brd"), "card": id("crd"), "firing": id("fir"), "state": "done", "session": id("ses"),
            "task": id("tsk"), "text": "done",
        }),
        "comment.added" => json!({
            "id": id("cmt"), "board": id("brd"), "card": id("crd"), "reply_to": id("cmt"), "author": "user",
            "text": "Looks right", "created_at": AT,
        }),
        "comment.resolved" => json!({ "board": id("brd"), "comment": id("cmt"), "resolved": true }),
        "comment.removed" => json!({ "board": id("brd"), "comment": id("cmt") }),
        _ => json!({ "id": id("brd"), "slug": "main", "name": "Main", "created_at": AT }),
    }
}

fn place(kind: &str) -> Value {
    match kind {
        "repo.removed" => json!({ "repo": id("rep") }),
        "repo.clone_started" => json!({
            "repo": id("rep"), "slug": "textkit", "url": "https://example.org/textkit.git", "started_at": AT,
        }),
        "repo.clone_progressed" => json!({
            "repo": id("rep"), "phase": "Receiving objects", "percent": 45, "bytes": 1_200_000,
        }),
        "repo.clone_failed" => {
            json!({ "repo": id("rep"), "code": "clone_failed", "message": "no such host" })
        }
        _ => json!({
            "id": id("rep"), "slug": "textkit", "path": "/srv/textkit", "default_branch": "main",
            "test_command": ["make", "test"], "added_at": AT, "url": "https://example.org/textkit.git",
            "trusted": ["00aa"],
        }),
    }
}

fn worktree(kind: &str) -> Value {
    let record = json!({
        "id": id("wtr"), "repo": id("rep"), "name": "feat-auth", "path": "/srv/worktrees/textkit/feat-auth",
        "branch": "feat-auth", "base": "00ff", "git_id": "coditect-w-a", "made_branch": true, "adopted": false,
        "port_base": 20_020, "lent": { "session": id("ses"), "agent": "claude" }, "created_at": AT,
    });
    match kind {
        "worktree.created" => record,
        "worktree.assigned" => json!({ "session": id("ses"), "worktree": id("wtr") }),
        "worktree.merged" => json!({
            "worktree": id("wtr"), "repo": id("rep"), "into": "main", "head": "00ff", "merged": true, "files": 3,
            "changed": ["a.rs", "b.rs", "c.rs"],
        }),
        "worktree.trashed" => json!({
            "worktree": record, "path": "/srv/trash/a", "head": "00ff", "branch": "feat-auth",
            "kept_as": "refs/coditect/trash/a/work", "forced": "not committed: a", "expires_at": AT,
        }),
        "worktree.restored" => json!({
            "worktree": id("wtr"), "repo": id("rep"), "port_base": 20_020, "detached": true,
        }),
        "worktree.purged" => json!({
            "worktree": id("wtr"), "repo": id("rep"), "name": "textkit/feat-auth", "path": "/srv/worktrees/textkit/feat-auth",
            "kept_as": "refs/coditect/trash/a/work",
        }),
        "worktree.script_started" => json!({
            "worktree": id("wtr"), "repo": id("rep"), "script": "setup", "hash": "00aa",
        }),
        _ => json!({
            "worktree": id("wtr"), "repo": id("rep"), "script": "setup", "hash": "00aa", "end": "failed", "code": 1,
            "tail": "no such file", "elapsed_ms": 12,
        }),
    }
}

fn merge(kind: &str) -> Value {
    match kind {
        "merge.added" => json!({
            "id": id("mrg"), "repo": id("rep"), "name": "textkit/feat-auth", "path": "/srv/worktrees/textkit/feat-auth",
            "worktree": id("wtr"), "session": id("ses"), "agent": "claude", "into": "main", "mode": "bisect",
            "style": "rebase", "priority": 3, "held": true, "message": "Merge leases", "created_at": AT,
        }),
        "merge.moved" => json!({
            "repo": id("rep"), "places": [{ "merge": id("mrg"), "priority": 5, "rank": 7 }],
        }),
        _ => json!({
            "merge": id("mrg"), "repo": id("rep"), "state": "returned", "attempt": 2, "mode": "one_by_one",
            "text": "its checks fail on top of main", "paths": ["src/lock.rs"],
            "report": {
                "command": ["make", "test"], "exit_code": 1, "passed": 6, "failed": 1, "tail": "FAILED (failures=1)",
                "elapsed_ms": 900,
            },
            "head": "0123456789abcdef0123456789abcdef01234567", "task": id("tsk"),
        }),
    }
}

fn conflict() -> Value {
    json!({
        "phase": "worsened",
        "conflict": {
            "id": id("cfl"), "repo": id("rep"), "kind": "merge_conflict", "paths": ["src/lock.rs"], "more": 2,
            "worktrees": ["/srv/worktrees/a", "/srv/worktrees/b"], "sessions": [id("ses")], "agents": ["claude"],
            "since": AT,
        },
    })
}

fn session(kind: &str) -> Value {
    match kind {
        "session.created" => json!({
            "id": id("ses"), "workspace": "default", "title": "Lock leases", "repo": id("rep"), "board": id("brd"),
            "parent": "ses_018f000000007000800000000000000b", "forked_from": "ses_018f000000007000800000000000000c",
            "fork_point": id("tsk"), "created_at": AT,
            "origin": {
                "vendor": "anthropic", "session": "77ec4bae/a40825", "source": "/home/ada/.claude/projects/a.jsonl",
                "cwd": "/srv/textkit", "branch": "main", "version": "2.1.329", "call": "toolu_1",
            },
            "named_by": "words",
            "lineage": {
                "kind": "aside", "fork_message": id("msg"), "spawn_point": id("tsk"), "spawned_by": id("par"),
                "asker": id("ses"), "callback": { "session": id("ses"), "mode": "once", "to": id("par") },
            },
        }),
        "session.renamed" => json!({ "session": id("ses"), "title": "Leases", "by": "model" }),
        "session.tagged" => json!({ "session": id("ses"), "tags": ["release", "ui"] }),
        "session.archived" | "session.unarchived" | "session.removed" => json!({ "session": id("ses") }),
        "session.callback_changed" => json!({
            "session": id("ses"), "callback": { "session": id("ses"), "mode": "always", "to": id("par") },
        }),
        "session.imported" => json!({
            "session": id("ses"), "sessions": [id("ses")], "from": 1, "lines": 40, "whole": true,
            "source": {
                "workspace": "default", "archive": "ab".repeat(32), "exported_at": AT,
                "through": { "epoch": 1, "seq": 42 },
            },
        }),
        "session.compacted" => json!({
            "session": id("ses"), "participant": id("par"), "upto": id("msg"), "summary": "Leases are renewed.",
            "messages": 40, "read_files": ["src/bus.rs"], "modified_files": ["src/lock.rs"], "vendor": "anthropic",
            "model": "claude-sonnet-4-5", "tokens_before": 120_000, "tokens_after": 3_000, "generation": 2, "created_at": AT,
        }),
        "session.compaction_failed" => json!({
            "session": id("ses"), "participant": id("par"), "upto": id("msg"), "code": "missing_api_key",
            "message": "the agent has no key", "tokens": 120_000,
        }),
        "callback.delivered" => json!({
            "session": id("ses"), "child": id("ses"), "ended": id("tsk"), "task": id("tsk"),
            "dropped": "the session that waited was removed",
        }),
        "participant.replayed" => json!({
            "session": id("ses"), "participant": id("par"), "turn": id("trn"), "reason": "the session is gone",
        }),
        "participant.joined" => json!({
            "id": id("par"), "session": id("ses"), "agent": "claude", "driver": "native", "vendor": "anthropic",
            "model": "claude-sonnet-4-5", "context_window": 200_000, "joined_at": AT, "history": "native",
        }),
        "participant.opened" => json!({
            "session": id("ses"), "participant": id("par"), "turn": id("trn"),
            "vendor_session": "0b9f3c52-6f0e-4f57-9a55-1d3c5f0f9a01", "version": "2.1.329", "goes_on": true,
        }),
        _ => json!({
            "session": id("ses"), "participant": id("par"), "status": "editing", "detail": "src/lock.rs",
        }),
    }
}

fn task(kind: &str) -> Value {
    match kind {
        "task.submitted" => json!({
            "id": id("tsk"), "session": id("ses"), "plan": id("pln"), "kind": "work", "title": "Add leases",
            "prompt": "Add leases to the lock table", "targets": [id("par")], "priority": 2,
            "depends_on": ["tsk_018f000000007000800000000000000b"], "files": ["src/lock.rs"], "terms": terms(),
            "created_at": AT,
        }),
        "task.changed" => json!({
            "session": id("ses"), "task": id("tsk"), "depends_on": ["tsk_018f000000007000800000000000000b"],
            "terms": terms(),
        }),
        "task.assigned" => json!({
            "session": id("ses"), "task": id("tsk"), "participants": [id("par")],
            "reason": "claude has rust, and nothing else to do",
        }),
        "task.claimed" | "task.claim_renewed" => json!({
            "session": id("ses"), "task": id("tsk"), "token": 1, "holder": "builder-7", "expires_at": AT,
        }),
        "queue.reordered" => json!({
            "session": id("ses"), "places": [{ "task": id("tsk"), "priority": 3, "rank": 17 }],
        }),
        "task.started" => json!({ "session": id("ses"), "task": id("tsk") }),
        "task.input_requested" => json!({
            "session": id("ses"), "task": id("tsk"), "turn": id("trn"), "participant": id("par"),
            "question": "In seconds?",
        }),
        "task.input_answered" => json!({
            "session": id("ses"), "task": id("tsk"), "turn": id("trn"), "answer": "Yes",
        }),
        "task.resubmitted" => json!({
            "session": id("ses"), "task": id("tsk"), "attempt": 2, "reason": "the daemon was restarted",
            "not_before": AT,
        }),
        _ => json!({ "session": id("ses"), "task": id("tsk"), "text": "leases are in", "code": "crashed" }),
    }
}

fn terms() -> Value {
    json!({
        "on_failed": "wait", "deadline": AT, "wants": ["rust"], "pool": true,
        "retry": { "max_attempts": 3, "backoff_seconds": 30, "on": ["crash", "rate_limit"] },
    })
}

fn git() -> Value {
    json!({ "branch": "main", "commit": "0123456789012345678901234567890123456789", "dirty": true })
}

fn turn(kind: &str) -> Value {
    match kind {
        "turn.started" => json!({
            "id": id("trn"), "session": id("ses"), "task": id("tsk"), "participant": id("par"), "run": id("run"),
            "attempt": 1, "started_at": AT, "git": git(),
        }),
        "turn.ended" => json!({
            "session": id("ses"), "task": id("tsk"), "turn": id("trn"), "participant": id("par"),
            "outcome": { "state": "failed", "code": "deadline", "message": "it took too long" },
            "usage": usage(), "iterations": 3, "git": git(),
        }),
        "turn.outlined" => json!({
            "session": id("ses"), "turn": id("trn"), "participant": id("par"),
            "steps": [{ "text": "Read the lock table", "state": "in_progress" }],
        }),
        "turn.recorded" => json!({
            "session": id("ses"), "turn": id("trn"), "participant": id("par"), "from": 3,
            "lines": ["{\"type\":\"system\"}"],
        }),
        "run.started" => json!({
            "id": id("run"), "session": id("ses"), "participant": id("par"), "pid": 4711, "started_at": AT,
        }),
        _ => json!({
            "run": id("run"), "session": id("ses"), "participant": id("par"), "code": 1, "signal": 9,
            "reason": "crashed",
        }),
    }
}

fn usage() -> Value {
    json!({
        "input_tokens": 120, "output_tokens": 30, "cache_read_tokens": 7, "cache_write_tokens": 5,
        "cost_micros": 900, "cost_source": "table",
    })
}

fn message(kind: &str) -> Value {
    match kind {
        "message.appended" => json!({
            "id": id("msg"), "session": id("ses"), "task": id("tsk"), "turn": id("trn"), "participant": id("par"),
            "parent": "msg_018f000000007000800000000000000b", "role": "assistant",
            "blocks": [
                { "type": "text", "text": "I add leases." },
                { "type": "thinking", "text": "In seconds.", "signature": "c2ln" },
                { "type": "tool_call", "call_id": "1", "tool": "bash", "arguments": { "command": "make" } },
                { "type": "tool_result", "call_id": "1", "tool": "bash", "output": "ok", "is_error": false,
                  "exit_code": 0 },
                { "type": "image", "media_type": "image/png", "hash": "00ff" },
            ],
            "usage": usage(), "latency_ms": 812, "created_at": AT,
        }),
        "message.drafted" => json!({
            "session": id("ses"), "turn": id("trn"), "participant": id("par"), "text_from": 2,
            "text": "I a", "thinking_from": 3, "thinking": "In s",
        }),
        "model.called" => json!({
            "session": id("ses"), "turn": id("trn"), "run": id("run"), "vendor": "anthropic",
            "model": "claude-sonnet-4-5", "prompt_tokens": 118, "estimated_cost_micros": 800,
        }),
        _ => json!({
            "session": id("ses"), "turn": id("trn"), "run": id("run"), "vendor": "anthropic",
            "model": "claude-sonnet-4-5", "usage": usage(), "latency_ms": 812, "retries": 1,
        }),
    }
}

fn plan(kind: &str) -> Value {
    match kind {
        "plan.created" => json!({
            "id": id("pln"), "session": id("ses"), "repo": id("rep"), "prompt": "Add leases",
            "participants": [id("par")], "worktrees": true, "created_at": AT,
        }),
        "plan.proposed" => json!({
            "plan": id("pln"), "session": id("ses"), "participant": id("par"), "agent": "claude",
            "tasks": [{
                "name": "lease", "title": "Add leases", "instructions": "Edit the table", "files": ["src/lock.rs"],
                "depends_on": ["clock"], "priority": 2,
            }],
        }),
        "plan.merged" => json!({
            "plan": id("pln"), "session": id("ses"),
            "merged": {
                "tasks": [{
                    "name": "lease", "title": "Add leases", "instructions": "Edit the table",
                    "files": ["src/lock.rs"], "assignee": "claude", "reviewers": ["kimi"],
                    "depends_on": ["clock"], "priority": 2,
                }],
                "explanation": ["claude and kimi want src/lock.rs: claude does it, kimi reviews"],
            },
        }),
        "plan.tested" => json!({
            "plan": id("pln"), "session": id("ses"),
            "report": {
                "command": ["make", "test"], "exit_code": 0, "passed": 12, "failed": 1, "tail": "ok",
                "elapsed_ms": 90,
            },
        }),
        "plan.cleared" => json!({
            "plan": id("pln"), "session": id("ses"),
            "kept": [{
                "worktree": id("wtr"), "name": "plan-7k2mqs4hx0-claude", "path": "/data/worktrees/shop/plan-7k2mqs4hx0-claude",
                "reason": "1 commit not landed",
            }],
        }),
        _ => json!({ "plan": id("pln"), "session": id("ses"), "text": "12 tests pass" }),
    }
}

fn change(kind: &str) -> Value {
    match kind {
        "file.modified" => json!({
            "session": id("ses"), "task": id("tsk"), "turn": id("trn"), "participant": id("par"),
            "path": "src/lock.rs", "before": "00aa", "after": "00bb", "lines_added": 12, "lines_removed": 3,
            "token": 1_099_511_627_777_u64, "diff": "--- a/src/lock.rs\n+++ b/src/lock.rs\n",
        }),
        "file.strayed" => json!({
            "session": id("ses"), "task": id("tsk"), "turn": id("trn"), "participant": id("par"),
            "files": [{ "path": "src/lock.rs", "locked_by": "kimi" }], "more": 3,
        }),
        "file.restored" => json!({
            "repo": id("rep"), "path": "src/lock.rs", "to": "last_known", "restored": "00bb",
            "overwritten": "00cc", "holder": "kimi",
        }),
        "edit.refused" => json!({
            "session": id("ses"), "task": id("tsk"), "turn": id("trn"), "participant": id("par"),
            "claim": { "path": "src/lock.rs", "token": 1_099_511_627_777_u64 }, "code": "stale_base",
            "message": "the file changed meanwhile",
        }),
        _ => checkpoint(kind),
    }
}

fn checkpoint(kind: &str) -> Value {
    let commit = "0123456789abcdef0123456789abcdef01234567";
    match kind {
        "checkpoint.removed" => json!({ "checkpoint": id("chk"), "session": id("ses"), "reason": "asked" }),
        "checkpoint.restore_started" => json!({
            "session": id("ses"), "checkpoint": id("chk"), "before": id("chk"), "worktree": "/srv/textkit",
            "files": 2,
        }),
        "checkpoint.restored" => json!({
            "session": id("ses"), "checkpoint": id("chk"), "before": id("chk"), "files": 1,
            "kept": [{ "path": "src/big.bin", "reason": "it was changed meanwhile" }],
        }),
        "checkpoint.bundled" => json!({
            "repo": id("rep"), "file": "000001-whole.bundle", "bytes": 4096, "hash": "00aa", "whole": true,
            "checkpoints": [id("chk")], "prerequisites": [commit],
        }),
        _ => json!({
            "id": id("chk"), "session": id("ses"), "plan": id("pln"), "repo": id("rep"),
            "git_ref": "refs/coditect/checkpoints/1", "commit": commit, "paths": ["src/lock.rs"],
            "co_authors": ["claude"], "message": "Add leases", "created_at": AT, "kind": "after_turn",
            "name": "before leases",
            "point": {
                "worktree": "/srv/textkit", "tree": commit, "base": commit, "parent": commit, "depth": 3,
                "turn": id("trn"), "message": id("msg"), "at": "1.42", "changed": 1, "left_out": 0,
            },
        }),
    }
}

fn bus(kind: &str) -> Value {
    match kind {
        "registration.announced" => json!({
            "id": id("reg"), "agent": "claude", "vendor": "anthropic", "model": "claude-sonnet-4-5",
            "session": id("ses"), "worktree": "/srv/textkit", "pid": 4711, "phase": "active",
            "registered_at": AT, "heartbeat_at": AT,
        }),
        "registration.ended" => json!({
            "registration": id("reg"), "session": id("ses"), "reason": "finished",
        }),
        "lock.changed" => json!({
            "phase": "taken_over", "worktree": "/srv/textkit", "path": "src/lock.rs", "mode": "exclusive",
            "holder": id("reg"), "agent": "claude", "session": id("ses"), "token": 1_099_511_627_777_u64,
            "other": "reg_018f000000007000800000000000000b",
        }),
        "context.changed" => json!({
            "key": "build/flags", "value": { "opt": 2 }, "version": 3, "author": id("reg"), "agent": "claude",
            "changed_at": AT,
        }),
        _ => json!({
            "id": 7, "sender": id("reg"), "agent": "claude", "channel": "file_conflict",
            "recipient": "reg_018f000000007000800000000000000b", "payload": { "path": "src/lock.rs" },
            "created_at": AT, "ttl_seconds": 300,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_there_once() {
        let kinds: Vec<&str> = every_event().iter().map(Event::kind).collect();
        assert_eq!(kinds, Event::KINDS);
    }
}

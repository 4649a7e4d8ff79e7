//! The three protocols as small scripted programs: one that works, and what each of them says in a case of the table.

/// Hears a line and the number of the request in it, and answers the next request.
const WORDS: &str = r#"#!/bin/sh
heard() { IFS= read -r line || exit 0; id=$(printf '%s' "$line" | sed -n 's/.*"id":\("[^"]*"\|[0-9]*\).*/\1/p'); }
answer() { heard; while [ -z "$id" ]; do heard; done; echo "{\"jsonrpc\":\"2.0\",\"id\":$id,$1}"; }
"#;

/// How a program speaks. Each part follows the one before it.
pub(super) struct Protocol {
    /// The agent, and its driver.
    pub(super) name: &'static str,
    pub(super) vendor: &'static str,
    /// What the program is called; by that its driver may know it.
    pub(super) program: &'static str,
    /// Shakes hands, opens the session, and hears the prompt.
    opens: &'static str,
    /// Says that the turn is over and went well.
    done: &'static str,
    /// A program of long ago, until it waits for more.
    pub(super) old: &'static str,
    /// One that nobody has logged in to.
    pub(super) logged_out: &'static str,
    /// Wants to write `OUTSIDE`, and dies when it is not denied with the reason.
    outside: &'static str,
    /// Wants to write one file twice at once, and dies when it is not let.
    twice: &'static str,
}

impl Protocol {
    fn script(parts: &[&str]) -> String {
        format!("{WORDS}{}", parts.concat())
    }

    /// Does this in place of its work, from its start.
    pub(super) fn instead(&self, script: &str) -> String {
        Self::script(&[script, "\n"])
    }

    /// Does this once it has its prompt.
    pub(super) fn in_turn(&self, script: &str) -> String {
        Self::script(&[self.opens, script, "\n"])
    }

    /// Ends every turn well.
    pub(super) fn works(&self) -> String {
        Self::script(&[self.opens, self.done])
    }

    pub(super) fn asks_outside(&self, file: &str) -> String {
        Self::script(&[self.opens, &self.outside.replace("OUTSIDE", file), self.done])
    }

    pub(super) fn asks_twice(&self) -> String {
        Self::script(&[self.opens, self.twice, self.done])
    }
}

pub(super) const CLAUDE: Protocol = Protocol {
    name: "claude",
    vendor: "anthropic",
    program: "claude",
    opens: r#"
echo '{"type":"control_response","response":{"subtype":"success","request_id":"initialize","response":{}}}'
heard; heard
case $line in *get_usage*)
  echo '{"type":"control_response","response":{"subtype":"success","request_id":"usage","response":{}}}'; heard;;
esac
echo '{"type":"system","subtype":"init","session_id":"s1","claude_code_version":"2.1.329"}'
"#,
    done: r#"
echo '{"type":"result","subtype":"success","is_error":false,"result":"fine","modelUsage":{}}'
while :; do heard; done
"#,
    old: r#"
echo '{"type":"control_response","response":{"subtype":"success","request_id":"initialize","response":{}}}'
heard; heard
echo '{"type":"system","subtype":"init","session_id":"s1","claude_code_version":"1.0.9"}'; sleep 600
"#,
    logged_out: r#"
echo '{"type":"control_response","response":{"subtype":"success","request_id":"initialize","response":{}}}'
heard; heard
echo '{"type":"system","subtype":"init","session_id":"s1","claude_code_version":"2.1.329"}'
echo '{"type":"result","subtype":"success","is_error":true,"result":"Not logged in · Please run /login"}'; sleep 600
"#,
    outside: r#"
echo '{"type":"control_request","request_id":"r1","request":{"subtype":"hook_callback","callback_id":"before_edit","input":{"tool_name":"Write","tool_input":{"file_path":"OUTSIDE","content":"x"}}}}'
heard
case $line in *'"deny"'*'outside the worktree'*) ;; *) exit 9;; esac
"#,
    twice: r#"
for n in 1 2; do
echo '{"type":"control_request","request_id":"r'$n'","request":{"subtype":"hook_callback","callback_id":"before_edit","input":{"tool_name":"Write","tool_input":{"file_path":"a.txt","content":"'$n'"}}}}'
done
heard; one=$line; heard
case $one in *'"allow"'*) ;; *) exit 9;; esac
case $line in *'"allow"'*) ;; *) exit 9;; esac
case $one$line in *'"r1"'*'"r2"'*|*'"r2"'*'"r1"'*) ;; *) exit 9;; esac
"#,
};

pub(super) const CODEX: Protocol = Protocol {
    name: "codex",
    vendor: "openai",
    program: "codex",
    opens: r#"
answer '"result":{"userAgent":"x/0.169.0 (y)"}'
answer '"result":{"account":null,"requiresOpenaiAuth":false}'
answer '"result":{"thread":{"id":"t1"},"model":"m"}'
answer '"result":{"turn":{"id":"u1"}}'
"#,
    done: r#"
echo '{"method":"turn/completed","params":{"threadId":"t1","turn":{"id":"u1","status":"completed"}}}'
while :; do heard; done
"#,
    old: r#"
answer '"result":{"userAgent":"x/0.1.2 (y)"}'; sleep 600
"#,
    logged_out: r#"
answer '"result":{"userAgent":"x/0.169.0"}'
answer '"result":{"account":null,"requiresOpenaiAuth":true}'; sleep 600
"#,
    outside: r#"
echo '{"method":"item/started","params":{"threadId":"t1","turnId":"u1","item":{"type":"fileChange","id":"i1","status":"inProgress","changes":[{"path":"OUTSIDE","kind":{"type":"add"},"diff":"x"}]}}}'
echo '{"id":"q1","method":"item/fileChange/requestApproval","params":{"threadId":"t1","turnId":"u1","itemId":"i1"}}'
heard; told=$line; heard
case $told$line in *'outside the worktree'*'"decline"'*) ;; *) exit 9;; esac
"#,
    twice: r#"
for n in 1 2; do
echo '{"method":"item/started","params":{"threadId":"t1","turnId":"u1","item":{"type":"fileChange","id":"i'$n'","status":"inProgress","changes":[{"path":"a.txt","kind":{"type":"add"},"diff":"'$n'"}]}}}'
echo '{"id":"q'$n'","method":"item/fileChange/requestApproval","params":{"threadId":"t1","turnId":"u1","itemId":"i'$n'"}}'
done
heard; one=$line; heard
case $one in *'"accept"'*) ;; *) exit 9;; esac
case $line in *'"accept"'*) ;; *) exit 9;; esac
case $one$line in *'"q1"'*'"q2"'*|*'"q2"'*'"q1"'*) ;; *) exit 9;; esac
"#,
};

/// Kimi Code's name, so that there is a version to be older than.
pub(super) const ACP: Protocol = Protocol {
    name: "acp",
    vendor: "moonshot",
    program: "kimi",
    opens: r#"
answer '"result":{"protocolVersion":1,"agentCapabilities":{"sessionCapabilities":{"resume":{}}},"agentInfo":{"name":"kimi","version":"2.1.0"}}'
answer '"result":{"sessionId":"s1"}'
heard; prompt=$id
"#,
    done: r#"
echo '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s1","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"fine"}}}}'
echo "{\"jsonrpc\":\"2.0\",\"id\":$prompt,\"result\":{\"stopReason\":\"end_turn\"}}"
while :; do heard; done
"#,
    old: r#"
answer '"result":{"protocolVersion":1,"agentInfo":{"name":"kimi","version":"1.9.9"}}'; sleep 600
"#,
    logged_out: r#"
answer '"result":{"protocolVersion":1}'
answer '"error":{"code":-32000,"message":"Authentication required"}'; sleep 600
"#,
    outside: r#"
echo '{"jsonrpc":"2.0","id":7,"method":"fs/write_text_file","params":{"sessionId":"s1","path":"OUTSIDE","content":"x"}}'
heard
case $line in *-32001*'outside the worktree'*|*'outside the worktree'*-32001*) ;; *) exit 9;; esac
"#,
    twice: r#"
for n in 7 8; do
echo '{"jsonrpc":"2.0","id":'$n',"method":"fs/write_text_file","params":{"sessionId":"s1","path":"a.txt","content":"'$n'"}}'
done
heard; one=$line; heard
case $one in *'"result"'*) ;; *) exit 9;; esac
case $line in *'"result"'*) ;; *) exit 9;; esac
"#,
};

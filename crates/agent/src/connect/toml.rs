//! A block of ours at the end of the user's TOML. The rest of the text is never touched; that it is TOML, and still is
//! with the block, is checked by a parser.

use toml_edit::Document;

const BEGIN: &str = "# >>> coditect: what is below was made by `coditect connect`, and goes with `coditect disconnect`";
const END: &str = "# <<< coditect";

/// The text with the block; the same when it is there as it should be.
pub(super) fn with(present: &str, block: &str) -> Result<String, String> {
    parse(present)?;
    let block = format!("{BEGIN}\n{}\n{END}\n", block.trim_end());
    if present.replace("\r\n", "\n").contains(&block) {
        return Ok(present.to_owned());
    }
    let mut text = without(present);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let end = if present.contains("\r\n") { "\r\n" } else { "\n" };
    text.push_str(&block.replace('\n', end));
    parse(&text).map_err(|why| format!("with our part it would not be TOML any more: {why}"))?;
    Ok(text)
}

/// The text without the block. What a vendor's program has put into it by mistake stays.
pub(super) fn without(present: &str) -> String {
    let Some(begin) = present.find(BEGIN) else { return present.to_owned() };
    let Some(end) = present[begin..].find(END).map(|at| begin + at + END.len()) else {
        return present.to_owned();
    };
    let rest = &present[end..];
    let rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
    format!("{}{rest}", &present[..begin])
}

fn parse(text: &str) -> Result<(), String> {
    let read: Result<Document<&str>, _> = Document::parse(text);
    read.map(drop).map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// A TOML text in quotes.
pub(crate) fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's, too.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_comes_and_goes_byte_for_byte() {
        for original in ["", "a = 1\n", "# mine\n[x]\ny = [1, 2]\n", "a = 1\r\n[b]\r\n"] {
            let changed = with(original, "[mcp_servers.coditect]\ncommand = \"x\"").unwrap();
            assert!(changed.starts_with(original) && changed.len() > original.len());
            assert_eq!(with(&changed, "[mcp_servers.coditect]\ncommand = \"x\"").unwrap(), changed, "again");
            let other = with(&changed, "[mcp_servers.coditect]\ncommand = \"y\"").unwrap();
            assert!(other.contains("\"y\"") && !other.contains("\"x\""));
            assert_eq!(without(&other), original);
        }
    }

    #[test]
    fn what_is_no_toml_or_would_be_none_is_left_alone() {
        assert!(with("a = ", "[x]").is_err());
        let why = with("hooks = [{ event = \"Stop\" }]\n", "[[hooks]]\nevent = \"Stop\"").unwrap_err();
        assert!(why.contains("would not be TOML"), "{why}");
        assert!(with("[mcp_servers.coditect]\ncommand = \"mine\"\n", "[mcp_servers.coditect]\ncommand = \"x\"").is_err());
    }
}

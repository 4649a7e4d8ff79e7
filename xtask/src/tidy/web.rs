//! Rules for the page's files: size, no silenced checks, one door for HTML.

use super::Findings;
use super::tree::File;

const FILE_LINES: usize = 400;
const GENERATED: &str = "web/src/api/generated.ts";
/// The only place where text becomes HTML, behind the sanitizer.
const HTML_DOOR: &str = "web/src/features/message/prose.tsx";
/// What turns a check off. One rule for one line (`oxlint-disable-next-line rule`) can be argued for; these cannot.
const SILENCERS: &[&str] = &["@ts-ignore", "@ts-nocheck", "eslint-disable", "prettier-ignore"];

pub(crate) fn file(file: &File) -> Findings {
    let mut findings = Findings::new();
    let code = [".ts", ".tsx", ".css", ".mjs"].iter().any(|end| file.ends(end));
    if !code || !file.under("web/") || file.path == GENERATED {
        return findings;
    }
    let path = &file.path;
    let lines = file.lines();
    if lines > FILE_LINES {
        findings.push(format!("{path}: {lines} lines; the limit is {FILE_LINES}: split it by subject"));
    }
    for word in SILENCERS.iter().filter(|word| file.text.contains(*word)) {
        findings.push(format!("{path}: `{word}` silences a check; change the code instead"));
    }
    for (at, line) in file.text.lines().enumerate() {
        let Some((_, rules)) = line.split_once("oxlint-disable") else { continue };
        if !rules.strip_prefix("-next-line ").is_some_and(|rules| rules.contains('/')) {
            findings.push(format!("{path}:{}: turn off a named rule for one line, or none", at + 1));
        }
    }
    if file.text.contains("dangerouslySetInnerHTML") && path != HTML_DOOR {
        findings.push(format!("{path}: text becomes HTML in {HTML_DOOR} and nowhere else"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, findings: usize) {
        let found = file(&File { path: path.to_owned(), text: text.to_owned() });
        assert_eq!(found.len(), findings, "{found:?}");
    }

    #[test]
    fn the_page_has_smaller_files() {
        check("web/src/app/x.tsx", &"x\n".repeat(400), 0);
        check("web/src/app/x.tsx", &"x\n".repeat(401), 1);
        check(GENERATED, &"x\n".repeat(9_000), 0);
    }

    #[test]
    fn nothing_is_silenced_and_html_has_one_door() {
        check("web/src/app/x.ts", "// @ts-ignore", 1);
        check("web/src/app/x.ts", "// oxlint-disable", 1);
        check("web/src/app/x.ts", "// oxlint-disable-next-line react/no-array-index-key", 0);
        check("web/src/app/x.tsx", "dangerouslySetInnerHTML", 1);
        check(HTML_DOOR, "dangerouslySetInnerHTML", 0);
    }
}

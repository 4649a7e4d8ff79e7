//! The four readers on what was recorded of the real programs. Invariant: how a transcript is cut or dirtied changes nothing that was said.

use super::*;
use model::{Block, Role};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn fixtures(vendor: Vendor) -> PathBuf {
    let folder = match vendor {
        Vendor::Anthropic => "claude/projects",
        Vendor::Openai => "codex/sessions",
        Vendor::Google => "gemini/tmp",
        Vendor::Moonshot => "kimi/sessions",
    };
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(program(vendor))
        .join(folder.split_once('/').map_or("", |(_, rest)| rest))
}

const VENDORS: [Vendor; 4] = [Vendor::Anthropic, Vendor::Openai, Vendor::Google, Vendor::Moonshot];

fn main_of(vendor: Vendor) -> (Place, String) {
    let places = places(vendor, &fixtures(vendor)).unwrap();
    let place = places.first().unwrap().clone();
    let text = std::fs::read_to_string(&place.path).unwrap();
    (place, text)
}

#[derive(Debug, Default, PartialEq)]
struct Told {
    said: Vec<Said>,
    usage: model::Usage,
    files: Vec<model::TouchedFile>,
    unknown: Vec<String>,
}

impl Told {
    fn take(&mut self, transcript: &mut Transcript) {
        let (said, usage, files) = transcript.page().take();
        self.said.extend(said);
        page::add(&mut self.usage, &usage);
        self.files.extend(files);
    }
}

fn read(vendor: Vendor, header: Header, lines: &str) -> (Told, Header) {
    let mut transcript = Transcript::new(vendor, header);
    let mut told = Told::default();
    for line in lines.lines() {
        if transcript.read(line) == Understanding::Unknown {
            told.unknown.push(line.to_owned());
        }
    }
    told.take(&mut transcript);
    (told, transcript.page().header.clone())
}

/// What a reader sees: who, and the first words.
fn brief(said: &Said) -> String {
    let words: Vec<String> = said
        .blocks
        .iter()
        .map(|block| match block {
            Block::Text { text } => text.chars().take(14).collect(),
            Block::Thinking { text, .. } => format!("({text})"),
            Block::ToolCall { tool, .. } => format!("{tool}!"),
            Block::ToolResult { tool, exit_code, is_error, .. } => {
                format!("{tool}={}{}", exit_code.unwrap_or(0), if *is_error { " failed" } else { "" })
            }
            Block::Image { .. } => "image".to_owned(),
        })
        .collect();
    format!("{}: {}", said.role.as_str(), words.join(" "))
}

fn told(vendor: Vendor) -> (Told, Header, Vec<String>) {
    let (place, text) = main_of(vendor);
    let (told, header) = read(vendor, place.header(vendor), &text);
    let briefs = told.said.iter().filter(|said| said.role != Role::System).map(brief).collect();
    (told, header, briefs)
}

#[test]
fn a_run_of_claude_is_told_as_it_was_streamed() {
    let (told, header, briefs) = told(Vendor::Anthropic);
    assert_eq!(
        briefs,
        [
            "user: Do it @@[{\"thi",
            "assistant: (Planning.)",
            "assistant: I write it.",
            "assistant: Write!",
            "tool: Write=0",
            "assistant: Now a command.",
            "assistant: Bash!",
            "assistant: Read!",
            "tool: Bash=3 failed",
            "tool: Read=0",
            "assistant: Edit!",
            "tool: Edit=0",
            "assistant: Task!",
            "tool: Task=0",
            "assistant: All done.",
        ]
    );
    assert_eq!(told.unknown, Vec::<String>::new());
    // Five answers and, in the program's own sum of costs, those of the sub-agent.
    assert_eq!((told.usage.input_tokens, told.usage.output_tokens), (600, 210));
    assert_eq!(told.usage.cost_micros, 11_690);
    let paths: Vec<&str> = told.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["/srv/repo/hello.txt", "/srv/repo/hello.txt"]);
    assert_eq!(header.cwd.as_deref(), Some("/srv/repo"));
    assert_eq!(header.branch.as_deref(), Some("master"));
    assert!(header.title.unwrap().starts_with("Do it"));
}

#[test]
fn a_sub_agent_of_claude_knows_who_started_it() {
    let places = places(Vendor::Anthropic, &fixtures(Vendor::Anthropic)).unwrap();
    assert_eq!(places.len(), 2);
    let header = places[1].header(Vendor::Anthropic);
    assert_eq!(header.parent, Some(places[0].header(Vendor::Anthropic).session));
    assert!(header.session.starts_with(header.parent.as_deref().unwrap()));
    assert_eq!(header.title.as_deref(), Some("sub"));
    let (main, _) = read(
        Vendor::Anthropic,
        places[0].header(Vendor::Anthropic),
        &std::fs::read_to_string(&places[0].path).unwrap(),
    );
    let calls = main.said.iter().flat_map(|said| &said.blocks).filter_map(|block| match block {
        Block::ToolCall { call_id, .. } => Some(call_id.clone()),
        _ => None,
    });
    assert!(calls.into_iter().any(|call| Some(call) == header.call));
}

#[test]
fn a_run_of_codex_is_told_once() {
    let (told, header, briefs) = told(Vendor::Openai);
    assert_eq!(
        briefs,
        [
            "user: Do it @@[{\"thi",
            "assistant: (Planning.)",
            "assistant: I write it.",
            "assistant: apply_patch!",
            "tool: apply_patch=0",
            "assistant: Now a command.",
            "assistant: exec_command!",
            "tool: exec_command=3 failed",
            "assistant: apply_patch!",
            "tool: apply_patch=0",
            "assistant: All done.",
        ]
    );
    assert_eq!(told.unknown, Vec::<String>::new());
    assert_eq!(
        (told.usage.input_tokens, told.usage.cache_read_tokens, told.usage.output_tokens),
        (600, 4000, 168)
    );
    assert_eq!(told.files.len(), 2);
    assert_eq!(header.model.as_deref(), Some("gpt-5.5"));
    assert_eq!(header.session, "01a1fe07-513e-7d21-be0e-08ca7192c96f");
}

#[test]
fn a_run_of_gemini_is_told_once_though_it_is_written_again() {
    let (told, header, briefs) = told(Vendor::Google);
    assert_eq!(
        briefs,
        [
            "user: Do it @@[{\"thi",
            "assistant: (Plan\nPlanning.) I write it.",
            "assistant: write_file!",
            "tool: write_file=0",
            "assistant: Now a command.",
            "assistant: run_shell_command! read_file!",
            "tool: run_shell_command=3 failed",
            "tool: read_file=0",
            "assistant: replace!",
            "tool: replace=0",
            "assistant: All done.",
        ]
    );
    assert_eq!(told.unknown, Vec::<String>::new());
    assert_eq!(
        (told.usage.input_tokens, told.usage.cache_read_tokens, told.usage.output_tokens),
        (600, 4000, 188)
    );
    assert_eq!(told.files.len(), 2);
    assert_eq!(header.cwd.as_deref(), Some("/srv/repo"));
}

#[test]
fn a_run_of_kimi_is_told_once_though_it_is_written_three_times() {
    let (told, header, briefs) = told(Vendor::Moonshot);
    assert_eq!(
        briefs,
        [
            "user: Do it @@[{\"thi",
            "assistant: (Planning.)",
            "assistant: I write it.",
            "assistant: Write!",
            "tool: Write=0",
            "assistant: Now a command.",
            "assistant: Bash!",
            "assistant: Read!",
            "tool: Bash=3 failed",
            "tool: Read=0",
            "assistant: Edit!",
            "tool: Edit=0",
            "assistant: All done.",
        ]
    );
    assert_eq!(told.unknown, Vec::<String>::new());
    assert_eq!(
        (told.usage.input_tokens, told.usage.cache_read_tokens, told.usage.output_tokens),
        (600, 4000, 168)
    );
    assert_eq!(told.files.len(), 2);
    assert_eq!(header.model.as_deref(), Some("kimi-k2"));
    assert_eq!(header.cwd.as_deref(), Some("/srv/repo"));
}

#[test]
fn the_homes_are_where_the_programs_look() {
    let environment = |name: &str| match name {
        "HOME" => Some("/home/ada".to_owned()),
        "CODEX_HOME" => Some("/srv/codex".to_owned()),
        "GEMINI_CLI_HOME" => Some(String::new()),
        _ => None,
    };
    let homes = VENDORS.map(|vendor| home(vendor, &environment).unwrap());
    let expected = [
        "/home/ada/.claude/projects",
        "/srv/codex/sessions",
        "/home/ada/.gemini/tmp",
        "/home/ada/.kimi-code/sessions",
    ];
    assert_eq!(homes.map(|home| home.display().to_string()), expected);
    assert_eq!(home(Vendor::Anthropic, &|_| None), None);
}

#[test]
fn a_torn_line_waits_and_one_without_a_break_does_not() {
    let mut lines = Lines::new(&b"{\"a\":1}\n{\"b\":"[..]);
    assert_eq!((lines.next_line().unwrap(), lines.line()), (Step::Line, &b"{\"a\":1}"[..]));
    assert_eq!((lines.next_line().unwrap(), lines.offset()), (Step::End, 8));
    let before = lines.prefix_hash();
    lines.renew(&b"{\"b\":2}"[..]);
    assert_eq!((lines.next_line().unwrap(), lines.offset()), (Step::Line, 15));
    assert_ne!(lines.prefix_hash(), before);
    assert_eq!(lines.prefix_hash(), blake3::hash(b"{\"a\":1}\n{\"b\":2}").to_hex().to_string());
}

#[test]
fn a_line_over_the_limit_is_passed_over_and_counted() {
    let mut input = vec![b'x'; LINE_MAX + 1];
    input.extend_from_slice(b"\n{}\n");
    let mut lines = Lines::new(&input[..]);
    let bytes = LINE_MAX as u64 + 2;
    let hash = *blake3::hash(&input[..LINE_MAX + 2]).as_bytes();
    assert_eq!(lines.next_line().unwrap(), Step::TooLong { bytes, hash });
    assert_eq!((lines.next_line().unwrap(), lines.line()), (Step::Line, &b"{}"[..]));
    // One that is just as long as is allowed is read, and one that has no end yet waits.
    let mut whole = vec![b'x'; LINE_MAX - 1];
    whole.push(b'\n');
    assert_eq!(Lines::new(&whole[..]).next_line().unwrap(), Step::Line);
    let mut torn = Lines::new(&input[..LINE_MAX + 1]);
    assert_eq!((torn.next_line().unwrap(), torn.offset()), (Step::End, 0));
}

/// Lines no vendor writes.
fn garbage() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("{".to_owned()),
        Just("null".to_owned()),
        Just("{\"type\":\"of tomorrow\"}".to_owned()),
        Just("{\"type\":\"user\",\"message\":7}".to_owned()),
        Just("{\"type\":\"response_item\",\"payload\":[1]}".to_owned()),
        Just("{\"$set\":{\"messages\":[{\"id\":3}]}}".to_owned()),
        Just("{\"type\":\"context.append_loop_event\",\"event\":{\"type\":\"dance\"}}".to_owned()),
        "[^\n\r]{0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_cut_of_a_transcript_reads_as_the_whole(which in 0usize..4, cuts in prop::collection::vec(0usize..80, 0..6)) {
        let vendor = VENDORS[which];
        let (place, text) = main_of(vendor);
        let (whole, _) = read(vendor, place.header(vendor), &text);
        let mut transcript = Transcript::new(vendor, place.header(vendor));
        let mut pieces = Told::default();
        for (number, line) in text.lines().enumerate() {
            if cuts.contains(&number) {
                pieces.take(&mut transcript);
            }
            transcript.read(line);
        }
        pieces.take(&mut transcript);
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn lines_that_were_read_before_say_nothing_new(which in 0usize..4, from in 0usize..80, many in 0usize..20) {
        let vendor = VENDORS[which];
        let (place, text) = main_of(vendor);
        let (whole, _) = read(vendor, place.header(vendor), &text);
        let lines: Vec<&str> = text.lines().collect();
        let again = lines.iter().skip(from).take(many);
        let twice: Vec<&str> = lines.iter().chain(again).copied().collect();
        let (read_twice, _) = read(vendor, place.header(vendor), &twice.join("\n"));
        prop_assert_eq!(read_twice.said, whole.said);
    }

    #[test]
    fn garbage_between_the_lines_changes_no_message(
        which in 0usize..4,
        inserted in prop::collection::vec((0usize..80, garbage()), 1..8),
    ) {
        let vendor = VENDORS[which];
        let (place, text) = main_of(vendor);
        let (whole, _) = read(vendor, place.header(vendor), &text);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (at, line) in inserted {
            lines.insert(at.min(lines.len()), line);
        }
        let (dirty, _) = read(vendor, place.header(vendor), &lines.join("\n"));
        prop_assert_eq!(dirty.said, whole.said);
        prop_assert_eq!(dirty.usage, whole.usage);
    }
}

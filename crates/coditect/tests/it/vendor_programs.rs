//! The vendors' real programs, headless and alone, against the scripted model server: what everything else about them
//! is built on.

use scripted::{Exchange, Scripted, ScriptedOptions};
use testkit::TempRepo;
use testkit::vendors::{Ended, Permission, VendorCli, Vendors};

fn server() -> Scripted {
    Scripted::start(ScriptedOptions::default()).unwrap()
}

/// One prompt to one program in a repository of its own, everything allowed.
struct Ran {
    repo: TempRepo,
    ended: Ended,
    asked: Vec<Exchange>,
}

fn run(vendors: &Vendors, cli: VendorCli, prompt: &str, more: &[&str]) -> Ran {
    let server = server();
    let repo = TempRepo::with(&[("kept.txt", "one\n")]);
    let home = vendors.home(cli, server.addr());
    let ended = home.start(home.headless(repo.path(), prompt, Permission::Everything, more)).ended();
    Ran { repo, ended: ended.well(), asked: server.requests() }
}

/// Words of all directives that were played.
fn played(asked: &[Exchange]) -> Vec<&'static str> {
    asked.iter().flat_map(|exchange| exchange.directives.iter().copied()).collect()
}

#[test]
fn each_does_what_its_prompt_says() {
    let Some(vendors) = Vendors::find("the four programs follow a script") else { return };
    for cli in vendors.wanted() {
        let prompt = "[[think so]] [[write new.txt|alpha\\n]] [[read kept.txt]] [[edit kept.txt|one|two]] \
                      [[bash cat kept.txt > copy.txt]] [[say all done]]";
        let ran = run(&vendors, cli, prompt, &[]);
        assert_eq!(ran.repo.read("new.txt"), "alpha\n", "{cli:?}");
        assert_eq!(ran.repo.read("kept.txt"), "two\n", "{cli:?}");
        assert_eq!(ran.repo.read("copy.txt"), "two\n", "{cli:?}");
        assert!(
            ran.ended.out.replace("\",\"delta\":true}", "").contains("done"),
            "{cli:?}: {}",
            ran.ended.out
        );
        assert_eq!(played(&ran.asked), ["think", "write", "read", "edit", "bash", "say"], "{cli:?}");
        assert!(ran.asked.iter().all(|exchange| exchange.agent.as_deref() == Some(cli.name())), "{cli:?}");
    }
}

#[test]
fn each_goes_on_after_an_overloaded_model() {
    let Some(vendors) = Vendors::find("the four programs repeat what failed") else { return };
    for cli in vendors.wanted() {
        let ran = run(&vendors, cli, "[[error_once 529]] [[write new.txt|alpha\\n]]", &[]);
        assert_eq!(ran.repo.read("new.txt"), "alpha\n", "{cli:?}");
        let statuses: Vec<u16> = ran.asked.iter().map(|exchange| exchange.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 529).count(), 1, "{cli:?}: {statuses:?}");
    }
}

#[test]
fn each_has_sub_agents() {
    let Some(vendors) = Vendors::find("the four programs' sub-agents follow scripts of their own") else {
        return;
    };
    for cli in vendors.wanted() {
        let prompt =
            "[[agent Do this: <<write part.txt|by another\\n>> <<say part done>>]] [[say {{result}}]]";
        let ran = run(&vendors, cli, prompt, &[]);
        assert_eq!(ran.repo.read("part.txt"), "by another\n", "{cli:?}");
        assert!(played(&ran.asked).contains(&"agent"), "{cli:?}");
    }
}

#[test]
fn codex_in_code_mode_does_the_same() {
    let Some(vendors) = Vendors::find("Codex in code mode follows a script") else { return };
    let prompt = "[[write new.txt|alpha\\n]] [[edit kept.txt|one|two]] [[bash cat kept.txt > copy.txt]] \
                  [[agent <<write part.txt|by another\\n>>]]";
    let ran = run(&vendors, VendorCli::Codex, prompt, &["-m", "gpt-6-sol"]);
    for (file, content) in [("new.txt", "alpha\n"), ("copy.txt", "two\n"), ("part.txt", "by another\n")] {
        assert_eq!(ran.repo.read(file), content, "{file}");
    }
}

#[test]
fn gemini_chooses_its_model_by_a_question_of_its_own() {
    let Some(vendors) = Vendors::find("Gemini's classifier is answered") else { return };
    let ran = run(&vendors, VendorCli::Gemini, "[[write new.txt|alpha\\n]]", &["-m", "auto"]);
    assert_eq!(ran.repo.read("new.txt"), "alpha\n");
    assert!(ran.asked.iter().any(|exchange| !exchange.stream && exchange.directives.is_empty()));
}

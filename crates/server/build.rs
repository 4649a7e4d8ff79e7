//! Makes sure that a release carries the page. `CODITECT_UI` says how hard to try: `auto` (the default)
//! builds it in a release when Node is there, `skip` never does, `require` fails without it. Debug builds never
//! run npm: they serve `web/dist` as it is on disk, or a page that says how to build it.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let web = PathBuf::from(told("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../web");
    println!("cargo::rerun-if-env-changed=CODITECT_UI");
    for watched in ["dist/index.html", "src", "index.html", "package-lock.json"] {
        let path = web.join(watched);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    let mode = told("CODITECT_UI").unwrap_or_else(|| "auto".to_owned());
    let built = || web.join("dist/index.html").exists();
    if mode == "skip" || built() {
        return;
    }
    let release = told("PROFILE").is_some_and(|profile| profile == "release");
    if release && web.join("package.json").exists() {
        npm(&web, &["ci"]);
        npm(&web, &["run", "build"]);
    }
    if !built() {
        let message = "the page is not built: run `cd web && npm ci && npm run build` (Node 20 or newer), then build again";
        assert!(mode != "require", "{message}");
        if release {
            println!("cargo::warning={message}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a build script is told everything by the environment")]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "this runs on a developer's machine and never in the product")]
fn npm(web: &Path, arguments: &[&str]) {
    match Command::new("npm").args(arguments).current_dir(web).status() {
        Ok(status) if status.success() => {}
        Ok(status) => println!("cargo::warning=npm {} ended with {status}", arguments.join(" ")),
        Err(error) => println!("cargo::warning=npm cannot be run: {error}"),
    }
}

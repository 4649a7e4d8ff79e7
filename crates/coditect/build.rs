//! Puts the demo's sample into the binary, since the demo runs where there is no source tree; and says how the binary is linked.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Relative to this crate.
const SAMPLE: &str = "../../examples/stint";
const PROMPT: &str = "../../examples/stint.demo/prompt.md";

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script where to write by the environment")]
fn out_dir() -> PathBuf {
    std::env::var_os("OUT_DIR").map(PathBuf::from).expect("cargo sets OUT_DIR")
}

fn main() {
    // At a fixed address the 54,000 pointers in the binary are right as they are in the file. Else each start, and so each hook,
    // spends 1.7 ms on putting them right (docs/decisions/0014-hooks.md).
    println!("cargo:rustc-link-arg-bins=-no-pie");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    println!("cargo:rerun-if-changed={SAMPLE}");
    println!("cargo:rerun-if-changed={PROMPT}");
    let top = here.join(SAMPLE);
    let mut files = Vec::new();
    gather(&top, &top, &mut files);
    files.sort();
    let mut code = String::from(
        "/// Every file of the sample: its path and its text.\npub(crate) const FILES: &[(&str, &str)] = &[\n",
    );
    for (name, path) in files {
        writeln!(code, "    ({name:?}, include_str!({path:?})),").expect("a string takes everything");
    }
    writeln!(
        code,
        "];\n\n/// What the agents are asked.\npub(crate) const PROMPT: &str = include_str!({:?});",
        here.join(PROMPT)
    )
    .expect("a string takes everything");
    std::fs::write(out_dir().join("sample_files.rs"), code).expect("cargo's folder can be written");
}

fn gather(top: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) {
    for entry in std::fs::read_dir(folder).expect("the sample is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(top, &path, files);
        } else {
            let name = path.strip_prefix(top).expect("it is below the top");
            files.push((name.to_str().expect("the sample's names are plain").to_owned(), path));
        }
    }
}

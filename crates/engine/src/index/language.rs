//! What language a file is in, as far as its name tells.

/// Names that say it by themselves.
const NAMES: [(&str, &str); 8] = [
    ("Cargo.lock", "toml"),
    ("CMakeLists.txt", "cmake"),
    ("Containerfile", "dockerfile"),
    ("Dockerfile", "dockerfile"),
    ("GNUmakefile", "make"),
    ("Justfile", "just"),
    ("Makefile", "make"),
    ("Rakefile", "ruby"),
];

/// By the end of the name, in small letters.
const ENDS: [(&str, &[&str]); 38] = [
    ("c", &["c", "h"]),
    ("clojure", &["clj", "cljs", "cljc", "edn"]),
    ("cpp", &["cc", "cpp", "cxx", "hh", "hpp", "hxx"]),
    ("csharp", &["cs"]),
    ("css", &["css", "scss", "sass", "less"]),
    ("dart", &["dart"]),
    ("elixir", &["ex", "exs"]),
    ("erlang", &["erl", "hrl"]),
    ("fsharp", &["fs", "fsi", "fsx"]),
    ("go", &["go"]),
    ("haskell", &["hs"]),
    ("html", &["html", "htm"]),
    ("java", &["java"]),
    ("javascript", &["js", "jsx", "mjs", "cjs"]),
    ("json", &["json", "jsonl", "jsonc"]),
    ("julia", &["jl"]),
    ("kotlin", &["kt", "kts"]),
    ("lua", &["lua"]),
    ("markdown", &["md", "markdown", "mdx"]),
    ("nix", &["nix"]),
    ("ocaml", &["ml", "mli"]),
    ("perl", &["pl", "pm"]),
    ("php", &["php"]),
    ("protobuf", &["proto"]),
    ("python", &["py", "pyi"]),
    ("r", &["r"]),
    ("ruby", &["rb"]),
    ("rust", &["rs"]),
    ("scala", &["scala"]),
    ("shell", &["sh", "bash", "zsh", "fish"]),
    ("sql", &["sql"]),
    ("svelte", &["svelte"]),
    ("swift", &["swift"]),
    ("text", &["txt", "rst", "adoc"]),
    ("toml", &["toml"]),
    ("typescript", &["ts", "tsx", "mts", "cts"]),
    ("vue", &["vue"]),
    ("yaml", &["yaml", "yml"]),
];

pub(super) fn of(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if let Some((_, language)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(language);
    }
    let (_, end) = name.rsplit_once('.')?;
    let end = end.to_ascii_lowercase();
    ENDS.iter().find(|(_, ends)| ends.contains(&end.as_str())).map(|(language, _)| *language)
}

/// Whether anything is in that language.
pub(super) fn is_known(language: &str) -> bool {
    NAMES.iter().any(|(_, known)| *known == language) || ENDS.iter().any(|(known, _)| *known == language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_language() {
        for (path, language) in [
            ("src/main.rs", Some("rust")),
            ("web/App.TSX", Some("typescript")),
            ("Makefile", Some("make")),
            ("docs/a.md", Some("markdown")),
            ("LICENSE", None),
            ("a/.gitignore", None),
            ("x.unheard", None),
        ] {
            assert_eq!(of(path), language, "{path}");
        }
        assert!(is_known("rust") && is_known("make") && !is_known("rs"));
    }
}

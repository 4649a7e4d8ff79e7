//! Where the user's data is: said outright, or found beside the user's projects.
//!
//! Invariant: nothing is made here; a data root that is not there yet is a name.

use model::DataRoot;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Name of the data root inside the projects folder.
const DATA_DIR: &str = ".coditect-data";
/// Folders of the home directory in which a `.coditect` link marks the projects.
const CANDIDATES: [&str; 6] = ["PROJECTS", "projects", "Dev", "dev", "Development", "Code"];
/// Largest config file of the framework that is read, in bytes.
const CONFIG_MAX: u64 = 1024 * 1024;

/// What told where the data root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Flag,
    DataRootVariable,
    ProjectsVariable,
    ConfigFile,
    Link,
    Default,
}

impl Source {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Flag => "--data-root",
            Self::DataRootVariable => "CODITECT_DATA_ROOT",
            Self::ProjectsVariable => "CODITECT_PROJECTS",
            Self::ConfigFile => "projects_dir in ~/.coditect/config/config.json",
            Self::Link => "a .coditect link in a projects folder",
            Self::Default => "the default, ~/PROJECTS",
        }
    }
}

/// Finds the data root. Fails, with a sentence, when there is no home directory to look in or the
/// framework's config file cannot be understood.
pub(crate) fn data_root(
    flag: Option<&Path>,
    environment: &BTreeMap<String, String>,
    cwd: &Path,
) -> Result<(DataRoot, Source), String> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(String::as_str);
    let home = variable("HOME").map(PathBuf::from);
    let at = |path: &Path| cwd.join(expanded(path, home.as_deref()));
    if let Some(given) = flag {
        return Ok((DataRoot::new(at(given)), Source::Flag));
    }
    if let Some(given) = variable("CODITECT_DATA_ROOT") {
        return Ok((DataRoot::new(at(Path::new(given))), Source::DataRootVariable));
    }
    let beside = |projects: PathBuf, source| Ok((DataRoot::new(projects.join(DATA_DIR)), source));
    if let Some(given) = variable("CODITECT_PROJECTS") {
        return beside(at(Path::new(given)), Source::ProjectsVariable);
    }
    let Some(home) = &home else {
        return Err("there is no home directory to look for the data in (HOME is not set)".to_owned());
    };
    if let Some(given) = projects_dir(home)? {
        return beside(home.join(expanded(Path::new(&given), Some(home))), Source::ConfigFile);
    }
    let linked = CANDIDATES.iter().map(|name| home.join(name)).find(|dir| dir.join(".coditect").is_symlink());
    match linked {
        Some(projects) => beside(projects, Source::Link),
        None => beside(home.join("PROJECTS"), Source::Default),
    }
}

/// `~` and `~/…`; other users' homes are not looked up.
fn expanded(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

/// `projects_dir` of the framework's config; none without a file or without the field.
fn projects_dir(home: &Path) -> Result<Option<String>, String> {
    use std::io::Read;
    let path = home.join(".coditect/config/config.json");
    let unusable = |error: &dyn std::fmt::Display| format!("{} cannot be used: {error}", path.display());
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(&error)),
    };
    let mut text = String::new();
    file.take(CONFIG_MAX).read_to_string(&mut text).map_err(|error| unusable(&error))?;
    let config: serde_json::Value = serde_json::from_str(&text).map_err(|error| unusable(&error))?;
    match config.get("projects_dir") {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::String(dir)) if dir.is_empty() => Ok(None),
        Some(serde_json::Value::String(dir)) => Ok(Some(dir.clone())),
        Some(_) => Err(unusable(&"projects_dir is not a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Home {
        dir: tempfile::TempDir,
        environment: BTreeMap<String, String>,
    }

    impl Home {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let home = dir.path().to_str().unwrap().to_owned();
            Self { dir, environment: BTreeMap::from([("HOME".to_owned(), home)]) }
        }

        fn set(mut self, name: &str, value: &str) -> Self {
            self.environment.insert(name.to_owned(), value.to_owned());
            self
        }

        fn config(self, text: &str) -> Self {
            let folder = self.dir.path().join(".coditect/config");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("config.json"), text).unwrap();
            self
        }

        fn found(&self, flag: Option<&str>) -> (String, Source) {
            let (root, source) =
                data_root(flag.map(Path::new), &self.environment, Path::new("/elsewhere")).unwrap();
            let shown = root.path().strip_prefix(self.dir.path()).unwrap_or(root.path());
            (shown.to_str().unwrap().to_owned(), source)
        }
    }

    #[test]
    fn the_order_is_flag_variable_projects_config_link_default() {
        let home = Home::new();
        assert_eq!(home.found(None), ("PROJECTS/.coditect-data".to_owned(), Source::Default));

        std::fs::create_dir(home.dir.path().join("Dev")).unwrap();
        std::os::unix::fs::symlink("/nowhere", home.dir.path().join("Dev/.coditect")).unwrap();
        assert_eq!(home.found(None), ("Dev/.coditect-data".to_owned(), Source::Link));

        let home = home.config(r#"{"projects_dir": "~/Mine"}"#);
        assert_eq!(home.found(None), ("Mine/.coditect-data".to_owned(), Source::ConfigFile));

        let home = home.set("CODITECT_PROJECTS", "~/Env");
        assert_eq!(home.found(None), ("Env/.coditect-data".to_owned(), Source::ProjectsVariable));

        let home = home.set("CODITECT_DATA_ROOT", "data");
        assert_eq!(home.found(None), ("/elsewhere/data".to_owned(), Source::DataRootVariable));
        assert_eq!(home.found(Some("/else")), ("/else".to_owned(), Source::Flag));
    }

    #[test]
    fn a_folder_without_a_link_is_not_taken_for_the_projects() {
        let home = Home::new();
        std::fs::create_dir_all(home.dir.path().join("Code/.coditect")).unwrap();
        assert_eq!(home.found(None).1, Source::Default);
    }

    #[test]
    fn empty_values_are_absent_ones() {
        let home = Home::new().set("CODITECT_PROJECTS", "").config(r#"{"projects_dir": null}"#);
        assert_eq!(home.found(None).1, Source::Default);
    }

    #[test]
    fn a_config_that_cannot_be_understood_is_said_not_passed_over() {
        for text in ["{", r#"{"projects_dir": 7}"#] {
            let home = Home::new().config(text);
            let error = data_root(None, &home.environment, Path::new("/")).unwrap_err();
            assert!(error.contains("config.json"), "{error}");
        }
    }

    #[test]
    fn without_a_home_the_flag_still_works() {
        let nothing = BTreeMap::new();
        assert!(data_root(None, &nothing, Path::new("/")).is_err());
        assert!(data_root(Some(Path::new("d")), &nothing, Path::new("/")).is_ok());
    }
}

//! What worktrees are called, and who is meant by a name.

use crate::{Caller, Engine};
use model::{Refusal, RefusalKind, RepoId, WorktreeId};
use store::WorktreeRow;

/// Longest name, in characters.
pub(crate) const NAME_MAX: usize = 64;

pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    let well_formed = (1..=NAME_MAX).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains("..")
        && !name.ends_with('.')
        && !name.ends_with(".lock");
    if well_formed {
        return Ok(());
    }
    let message = format!(
        "a worktree's name is 1 to {NAME_MAX} letters, digits, `-`, `_` or `.`, and begins with a letter or digit"
    );
    Err(Refusal::invalid("worktree_name_invalid", message)
        .hint("give a plain name, and the branch's with --branch where it is another"))
}

/// A name from a folder's.
pub(crate) fn name_of(folder: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = folder.chars().map(plain).take(NAME_MAX).collect();
    let name = name.trim_matches(['-', '.', '_']).replace("..", "-");
    if check_name(&name).is_ok() { name } else { "worktree".to_owned() }
}

impl Engine {
    /// From a full id, `repo/name`, a name that only one repo has, or an unambiguous prefix of a short id; for an agent among
    /// those of its session's repo.
    pub fn resolve_worktree(&self, caller: &Caller, given: &str) -> Result<WorktreeId, Refusal> {
        if let Some((repo, name)) = given.split_once('/') {
            let repo = self.resolve_repo(caller, repo)?;
            let named =
                if self.repo_for(caller, Some(repo)).is_ok() { self.named(repo, name)? } else { None };
            return named.ok_or_else(|| unknown(given));
        }
        let mut found = Vec::new();
        if check_name(given).is_ok() {
            for repo in self.repos()?.into_iter().filter(|repo| self.repo_for(caller, Some(repo.id)).is_ok())
            {
                found.extend(self.named(repo.id, given)?.map(|id| (repo.slug, id)));
            }
        }
        let may = |id: &WorktreeId| {
            let repo = self.worktree_row(*id)?.worktree.repo;
            self.repo_for(caller, Some(repo)).map(drop)
        };
        match found.as_slice() {
            [] => self.resolve_for(caller, given, may).map_err(|refusal| match refusal.kind {
                RefusalKind::NotFound => unknown(given),
                _ => refusal,
            }),
            [(_, id)] => Ok(*id),
            several => {
                let names: Vec<String> = several.iter().map(|(slug, _)| format!("{slug}/{given}")).collect();
                let message = format!("`{given}` could be any of {}", names.join(", "));
                Err(Refusal::invalid("ambiguous_id", message).hint("give repo/name"))
            }
        }
    }

    /// The live one of that name, or the one that was put into the trash last.
    fn named(&self, repo: RepoId, name: &str) -> Result<Option<WorktreeId>, Refusal> {
        let rows = self.shared.store.read(|view| view.worktrees_named(repo, name))?;
        let live = rows.iter().find(|row| row.trashed.is_none());
        Ok(live.or(rows.last()).map(|row| row.worktree.id))
    }

    pub(crate) fn worktree_row(&self, id: WorktreeId) -> Result<WorktreeRow, Refusal> {
        self.shared.store.read_or_refuse(|view| view.worktree(id)?.ok_or_else(|| unknown(&id.to_string())))
    }
}

fn unknown(given: &str) -> Refusal {
    let given: String = given.chars().take(80).collect();
    Refusal::new(RefusalKind::NotFound, "worktree_not_found", format!("no worktree `{given}`"))
        .hint("`coditect worktree list` shows what there is, `coditect worktree list --trash` what was")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_plain_folder_and_nothing_else() {
        for good in ["feat-auth", "a", "v1.2", "A_b", &"x".repeat(NAME_MAX)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(NAME_MAX + 1);
        for bad in [
            "",
            "../../x",
            "..",
            ".",
            ".a",
            "-a",
            "--upload-pack=x",
            "a/b",
            "a b",
            "a\nb",
            "a\\b",
            "ä",
            "a..b",
            "a.",
            "a.lock",
            "_a",
            &long,
        ] {
            assert_eq!(check_name(bad).unwrap_err().code, "worktree_name_invalid", "{bad:?}");
        }
    }

    #[test]
    fn every_folder_gives_a_name() {
        for (folder, name) in
            [("feat auth", "feat-auth"), ("../..", "worktree"), ("", "worktree"), (".git", "git")]
        {
            assert_eq!(name_of(folder), name);
        }
        assert!(check_name(&name_of(&"ä".repeat(300))).is_ok());
    }
}

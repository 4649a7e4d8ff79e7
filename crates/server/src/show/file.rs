//! Files that are found and files that are brought back.

use engine::RestoredView;

pub(crate) fn restored_file(view: RestoredView) -> protocol::RestoredFile {
    let RestoredView { path, restored, overwritten, kept_at, holder } = view;
    protocol::RestoredFile { path, restored, overwritten, kept_at, holder }
}

pub(crate) fn found_files(found: engine::FilesFound) -> protocol::FilesFound {
    let engine::FilesFound { files, more, behind } = found;
    protocol::FilesFound { items: files.into_iter().map(found_file).collect(), more, behind }
}

fn found_file(view: engine::FoundView) -> protocol::FoundFile {
    let engine::FoundView { file, repo, lock, lines } = view;
    let line = |line: engine::FoundLine| protocol::FoundLine { number: line.number, text: line.text };
    protocol::FoundFile {
        path: file.path,
        worktree: file.worktree,
        also_in: file.also_in,
        repo,
        language: file.language,
        bytes: file.bytes,
        modified_at: file.modified_at,
        content_hash: file.hash,
        git_status: match file.status {
            engine::GitStatus::Clean => protocol::GitStatus::Clean,
            engine::GitStatus::Modified => protocol::GitStatus::Modified,
            engine::GitStatus::Staged => protocol::GitStatus::Staged,
            engine::GitStatus::Untracked => protocol::GitStatus::Untracked,
        },
        agent_lock: lock,
        session: file.session,
        lines: lines.into_iter().map(line).collect(),
    }
}

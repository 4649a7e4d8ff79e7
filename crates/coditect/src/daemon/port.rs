//! Which port to ask for: a restarted daemon wants its last one, so that an open page finds it again.

use model::DataRoot;
use server::Port;
use std::path::PathBuf;

fn file(root: &DataRoot) -> PathBuf {
    root.daemon_dir().join("last-port")
}

/// By the command line, then by config.json, then by what it was last time. 0 is any.
pub(crate) fn wanted(root: &DataRoot, ordered: Option<u16>, configured: u16) -> Port {
    match ordered.or(Some(configured).filter(|port| *port != 0)) {
        Some(0) => Port::Any,
        Some(port) => Port::Fixed(port),
        None => last(root).map_or(Port::Any, Port::Preferred),
    }
}

fn last(root: &DataRoot) -> Option<u16> {
    std::fs::read_to_string(file(root)).ok()?.trim().parse().ok().filter(|port| *port != 0)
}

pub(crate) fn remember(root: &DataRoot, port: u16) {
    if last(root) == Some(port) {
        return;
    }
    if let Err(error) = std::fs::write(file(root), port.to_string()) {
        tracing::warn!(%error, "the port is not remembered for the next start");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_comes_first_then_the_configuration_then_habit() {
        let dir = tempfile::tempdir().unwrap();
        let root = DataRoot::new(dir.path());
        std::fs::create_dir(root.daemon_dir()).unwrap();
        assert_eq!(wanted(&root, None, 0), Port::Any);
        remember(&root, 4711);
        assert_eq!(wanted(&root, None, 0), Port::Preferred(4711));
        assert_eq!(wanted(&root, None, 80), Port::Fixed(80));
        assert_eq!(wanted(&root, Some(81), 80), Port::Fixed(81));
        assert_eq!(wanted(&root, Some(0), 80), Port::Any);
        std::fs::write(file(&root), "no number").unwrap();
        assert_eq!(wanted(&root, None, 0), Port::Any);
    }
}

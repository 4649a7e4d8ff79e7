//! Shared context as the journal knows it: the last change of each key, and nothing of a removed one.

use crate::fixtures::World;
use crate::workspace::Workspace;
use model::ContextKey;

#[test]
pub(crate) fn the_projection_has_what_is_shared_and_a_rebuild_makes_it_again() {
    let workspace = Workspace::new();
    let (store, _) = workspace.open();
    World::new().history().commit_all(&store);
    let key = |key: &str| key.parse::<ContextKey>().unwrap();
    let look = || {
        store
            .read(|view| {
                let all = view.context_entries(10)?;
                let flags = view.context_entry(&key("build/flags"))?;
                Ok((all, flags, view.context_entry(&key("owner"))?))
            })
            .unwrap()
    };
    let (all, flags, owner) = look();
    assert_eq!(all.len(), 1);
    assert_eq!(flags.as_ref(), all.first());
    assert_eq!(flags.unwrap().value, serde_json::json!("-O2"));
    assert_eq!(owner, None, "it was removed");
    assert_eq!(store.rebuild().unwrap().changed, Vec::<String>::new());
    assert_eq!(look().0, all);
}

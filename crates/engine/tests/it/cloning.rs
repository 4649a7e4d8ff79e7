//! Clones: into the workspace, whole or not at all.

use crate::scene::{Scene, call};
use engine::{NewClone, NewRepo};
use model::{Event, Refusal};
use std::path::PathBuf;

async fn scene() -> Scene {
    let scene = Scene::new(&[("a", "1\n")]).await;
    scene.configure_with(serde_json::json!({ "repos": { "clone_files": true } }));
    scene.engine().reload_config().unwrap();
    // An address has no spaces.
    std::os::unix::fs::symlink(scene.repo.path(), scene.repo.beside("shop.git")).unwrap();
    scene
}

fn url(scene: &Scene) -> String {
    format!("file://{}", scene.repo.beside("shop.git").display())
}

async fn start(scene: &Scene, url: &str, slug: Option<&str>) -> Result<engine::CloneRow, Refusal> {
    let new = NewClone { url: url.to_owned(), slug: slug.map(str::to_owned), test_command: None };
    scene.engine().start_clone(&call(), new).await
}

fn repos(scene: &Scene) -> Vec<PathBuf> {
    let folder = scene.root().workspace("default").repos();
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names
}

async fn failed(scene: &Scene) -> model::CloneFailure {
    scene
        .until("it failed", || {
            scene.events().into_iter().find_map(|event| match event {
                Event::RepoCloneFailed(failure) => Some(failure),
                _ => None,
            })
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_becomes_a_repo_of_the_workspace() {
    let scene = scene().await;
    let begun = start(&scene, &url(&scene), None).await.unwrap();
    assert_eq!(begun.start.slug, "shop");
    let repo = scene
        .until("it is registered", || {
            scene.engine().repos().unwrap().into_iter().find(|repo| repo.slug == "shop")
        })
        .await;
    assert_eq!((repo.id, repo.url.as_deref()), (begun.start.repo, Some(url(&scene).as_str())));
    assert_eq!(std::fs::read_to_string(PathBuf::from(&repo.path).join("a")).unwrap(), "1\n");
    assert_eq!(
        PathBuf::from(&repo.path),
        scene.root().workspace("default").repos().canonicalize().unwrap().join("shop")
    );
    assert!(scene.engine().clones().unwrap().is_empty());
    let kinds = scene.kinds();
    let at = |kind| kinds.iter().position(|one| *one == kind);
    assert!(at("repo.clone_started") < at("repo.added"), "{kinds:?}");
    // A second of the same name gets another one, or is refused when the name was asked for.
    assert_eq!(start(&scene, &url(&scene), Some("shop")).await.unwrap_err().code, "slug_taken");
    let path = scene.repo.path().display().to_string();
    let new = NewRepo { path, slug: Some("shop".into()), test_command: None };
    assert_eq!(scene.engine().add_repo(&call(), new).await.unwrap_err().code, "slug_taken");
    assert_eq!(start(&scene, &url(&scene), None).await.unwrap().start.slug, "shop-2");
    scene
        .until("the second is registered", || {
            Some(()).filter(|()| scene.engine().repos().unwrap().len() == 2)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_are_none_are_refused_and_secrets_not_repeated() {
    let scene = Scene::new(&[("a", "1\n")]).await;
    for (given, code) in [
        ("--upload-pack=touch x", "bad_url"),
        ("ext::sh -c x", "bad_url"),
        ("file:///srv/x", "bad_url"),
        ("ssh://-oProxyCommand=x/y", "bad_url"),
        ("https://ann:hunter2@example.org/x", "url_secret"),
    ] {
        let refusal = start(&scene, given, None).await.unwrap_err();
        assert_eq!((&*refusal.code, refusal.hint.is_some()), (code, true), "{given}");
        assert!(!refusal.to_string().contains("hunter2"));
    }
    assert_eq!(start(&scene, "https://example.org/x", Some("../x")).await.unwrap_err().code, "slug_invalid");
    assert!(scene.kinds().iter().all(|kind| !kind.starts_with("repo.")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_leaves_nothing() {
    let scene = scene().await;
    start(&scene, &format!("{}-none", url(&scene)), None).await.unwrap();
    let failure = failed(&scene).await;
    assert_eq!(failure.code, "clone_failed");
    assert!(repos(&scene).is_empty() && scene.engine().clones().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_canceled_leaves_nothing() {
    let scene = scene().await;
    // Nobody answers there, so that the clone waits until it is ended.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/shop", silent.local_addr().unwrap());
    let begun = start(&scene, &url, None).await.unwrap();
    assert_eq!(scene.engine().cancel_clone(&call(), "nothing").unwrap_err().code, "not_found");
    assert_eq!(
        start(&scene, &url, Some("shop")).await.unwrap_err().code,
        "slug_taken",
        "the name is taken from the start"
    );
    scene.engine().cancel_clone(&call(), &begun.start.slug).unwrap();
    assert_eq!(failed(&scene).await.code, "canceled");
    scene.soon("nothing is left", || Some(()).filter(|()| repos(&scene).is_empty())).await;
    assert!(scene.engine().clones().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_daemon_left_is_swept_away_or_finished() {
    let mut scene = scene().await;
    start(&scene, &url(&scene), None).await.unwrap();
    scene
        .until("it is registered", || {
            scene.engine().repos().unwrap().into_iter().find(|repo| repo.slug == "shop")
        })
        .await;
    let half = scene.root().workspace("default").repos().join(".cloning-rep_1");
    std::fs::create_dir_all(half.join(".git")).unwrap();
    scene.shut().await;
    scene.open().await;
    assert!(!half.exists());
    assert_eq!(repos(&scene).len(), 1, "what is whole stays");
}

use super::*;
use crate::stage::Stage;

fn configured(stage: &Stage, text: &str) -> Result<(), Refusal> {
    let path = stage.options().data_root.config();
    std::fs::write(&path, text).unwrap();
    stage.shared.config.reload().unwrap();
    std::fs::write(stage.options().data_root.machine_id(), r#"{"machine_id":"0123456789abcdef"}"#).unwrap();
    stage.shared.bridge.follow(&stage.shared)
}

fn message(stage: &Stage) -> Option<String> {
    stage.shared.bridge.finding().map(|finding| finding.message)
}

#[test]
fn a_machine_is_called_by_its_host_and_its_id() {
    assert_eq!(named("build-7.example.org", "0123abcd"), "build-7-0123abcd");
    assert_eq!(named("", "0123abcd"), "0123abcd");
    assert_eq!(named("a:b c", "01"), "abc-01", "what separates a machine from its paths is in no name");
}

#[test]
fn the_bridge_follows_the_configuration() {
    let stage = Stage::new();
    configured(&stage, "{}").unwrap();
    assert_eq!(message(&stage), None);
    // Nobody listens there: the engine runs all the same, and doctor says what is wrong.
    configured(&stage, r#"{"bus":{"url_env":"NO_SUCH_VARIABLE"}}"#).unwrap();
    let begun = std::time::Instant::now();
    while !message(&stage).is_some_and(|said| said.contains("NO_SUCH_VARIABLE is not set")) {
        assert!(begun.elapsed().as_secs() < 20, "{:?}", message(&stage));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    configured(&stage, "{}").unwrap();
    assert_eq!(message(&stage), None, "taken down");
    std::fs::write(stage.options().data_root.machine_id(), "{}").unwrap();
    let path = stage.options().data_root.config();
    std::fs::write(path, r#"{"bus":{"url":"nats://127.0.0.1:1"}}"#).unwrap();
    stage.shared.config.reload().unwrap();
    let refused = stage.shared.bridge.follow(&stage.shared).unwrap_err();
    assert_eq!(&*refused.code, "machine_id_invalid");
}

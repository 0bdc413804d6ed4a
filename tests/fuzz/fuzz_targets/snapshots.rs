//! Kept catalogues, as somebody else may have written them: another gateway's is never taken, and what is taken is what was kept.

use std::{fs, sync::OnceLock};

use pflow_gateway::{
    config::GatewayConfig,
    serve::{FileSnapshots, Snapshots as _},
};

/// One input: a file, or (after a `+`) the members behind the ones that make it ours.
pub fn run(bytes: &[u8]) {
    static OURS: OnceLock<String> = OnceLock::new();
    let folder = crate::folder().join("snapshots");
    let mut config = GatewayConfig::for_url("http://gw.example/mcp").expect("a gateway");
    "g".clone_into(&mut config.name);
    let snapshots = FileSnapshots::new(&folder, &config);
    let file = folder.join("gateway/snapshots/g.json");
    let ours = OURS.get_or_init(|| {
        let empty = r#"{"gateway":"g","total":0,"pages":1,"filtered_out":0,"tools":[],"warnings":[]}"#;
        snapshots.store(&serde_json::from_str(empty).expect("a catalogue")).expect("a snapshot");
        let text = fs::read_to_string(&file).expect("a snapshot");
        let at = text.find("\"tools\":{").expect("tools");
        text[..at].to_owned()
    });
    let content = match bytes {
        [b'+', rest @ ..] => [ours.as_bytes(), b"\"tools\":", rest, b"}"].concat(),
        other => other.to_vec(),
    };
    fs::write(&file, &content).expect("a file");
    let Some(snapshot) = snapshots.load() else { return };
    assert!(snapshot.tools.tools.len() <= content.len() / 32, "more tools than were written");
    // What was read can be kept, and is read as the same.
    snapshots.store(&snapshot.tools).expect("it can be kept");
    let again = snapshots.load().expect("what was kept");
    let json = |tools| serde_json::to_string(tools).expect("JSON");
    assert_eq!(json(&again.tools), json(&snapshot.tools));
    config.url.set_path("/other");
    assert!(FileSnapshots::new(&folder, &config).load().is_none(), "another gateway's catalogue");
}

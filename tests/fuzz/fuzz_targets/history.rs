//! The history's file, as somebody else may have written it: it is read, or moved aside and begun anew; it is never believed, and what it
//! holds is told in a line.

use std::{fs, time::Duration};

use pflow_gateway::history::{History, Moment, SnapshotTool};

/// One input: the beginning of a file, or a place and bytes to write there into a good one.
pub fn run(bytes: &[u8]) {
    let folder = crate::folder().join("history");
    let own = folder.join("gateway");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&own).expect("a folder");
    let file = own.join("history.db");
    let content = match bytes {
        [b'+', high, low, rest @ ..] => {
            let mut good = good();
            let at = (usize::from(*high) << 8 | usize::from(*low)) * 3 % good.len();
            for (place, byte) in good.iter_mut().skip(at).zip(rest) {
                *place = *byte;
            }
            good
        }
        other => other.to_vec(),
    };
    fs::write(&file, content).expect("a file");
    let history = History::new(&folder);
    let last = history.last("g", Moment::now());
    if let Some(last) = last {
        assert!(!last.words().chars().any(char::is_control), "{:?}", last.words());
    }
    let now = Moment::now();
    let _ = (
        history.since("g", now.before(Duration::from_hours(24)), now, 10),
        history.difference("g"),
        history.gateways(),
    );
    history.listed("g", "http://gw.example/mcp", &tools(), Moment::now());
    for note in history.take_notes().into_iter().chain(history.why_off()) {
        assert!(!note.chars().any(char::is_control), "{note:?}");
    }
}

fn good() -> Vec<u8> {
    static GOOD: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    GOOD.get_or_init(|| {
        let folder = crate::folder().join("good");
        let history = History::new(&folder);
        history.listed("g", "http://gw.example/mcp", &tools(), Moment::now());
        drop(history);
        fs::read(folder.join("gateway/history.db")).expect("a history")
    })
    .clone()
}

fn tools() -> [SnapshotTool; 1] {
    [SnapshotTool { name: "slack__post".to_owned(), service: Some("slack".to_owned()) }]
}

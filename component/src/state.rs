//! What another instance needs to go on in a session: the session, written down.
//! Takes a session and gives bytes, or the other way round. Must never take for a session what this component did not write.

use serde::{Deserialize, Serialize};

use crate::model::{Era, Implementation, Kind, Session};

/// Grows when the members change: what another version wrote is another session.
const VERSION: u32 = 1;

/// The contract's limit, in bytes.
pub const LONGEST: usize = 8_192;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Whose it is: a state of another component may be JSON too.
    pflow_gateway: u32,
    modern: bool,
    version: String,
    id: Option<String>,
    kind: String,
    evidence: String,
    server: (String, String),
    announces: bool,
}

/// The session as bytes. The words about it are left out where they would make it too long; its id never is.
#[must_use]
pub fn written(session: &Session) -> Vec<u8> {
    let full = bytes(session);
    if full.len() <= LONGEST {
        return full;
    }
    bytes(&Session { kind_evidence: String::new(), server: Implementation::default(), ..session.clone() })
}

fn bytes(session: &Session) -> Vec<u8> {
    let written = Written {
        pflow_gateway: VERSION,
        modern: session.era == Era::Modern,
        version: session.protocol_version.clone(),
        id: session.session_id.clone(),
        kind: session.kind.id().to_owned(),
        evidence: session.kind_evidence.clone(),
        server: (session.server.name.clone(), session.server.version.clone()),
        announces: session.announces_tool_changes,
    };
    serde_json::to_vec(&written).unwrap_or_default()
}

/// The session. None: nothing that this component wrote.
#[must_use]
pub fn read(state: &[u8]) -> Option<Session> {
    let written: Written = serde_json::from_slice(state).ok()?;
    let is_header = |id: &String| id.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if written.pflow_gateway != VERSION || !written.id.iter().all(is_header) {
        return None;
    }
    let (name, version) = written.server;
    Some(Session {
        era: if written.modern { Era::Modern } else { Era::Legacy },
        protocol_version: written.version,
        session_id: written.id,
        // One that an older or newer version of this component knows may be unknown here.
        kind: Kind::of_id(&written.kind).unwrap_or(Kind::Generic),
        kind_evidence: written.evidence,
        server: Implementation { name, version },
        announces_tool_changes: written.announces,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            era: Era::Legacy,
            protocol_version: "2025-06-18".to_owned(),
            session_id: Some("s 1\"".to_owned()),
            kind: Kind::Docker,
            kind_evidence: "it says so".to_owned(),
            server: Implementation { name: "Docker".to_owned(), version: "2".to_owned() },
            announces_tool_changes: true,
        }
    }

    #[test]
    fn what_was_written_is_read_and_the_same_session_is_the_same_bytes() {
        let modern = Session { era: Era::Modern, session_id: None, ..session() };
        for session in [session(), modern] {
            assert_eq!(read(&written(&session)), Some(session.clone()));
            assert_eq!(written(&session), written(&session.clone()));
        }
    }

    #[test]
    fn a_long_session_keeps_its_id_and_loses_the_words_about_it() {
        let id = "x".repeat(6_000);
        let long = Session { session_id: Some(id.clone()), kind_evidence: "w".repeat(3_000), ..session() };
        let state = written(&long);
        assert!(state.len() <= LONGEST, "{}", state.len());
        assert_eq!(read(&state).and_then(|session| session.session_id), Some(id));
    }

    #[test]
    fn what_somebody_else_wrote_is_no_session() {
        let good = String::from_utf8(written(&session())).unwrap_or_default();
        assert!(read(good.as_bytes()).is_some());
        let others = [
            String::new(),
            "{}".to_owned(),
            "\u{0}\u{1}".to_owned(),
            good.replace(":1,", ":2,"),
            good.replace("s 1", "s\\r\\n1"),
        ];
        for other in others {
            assert_eq!(read(other.as_bytes()), None, "{other}");
        }
        let more = good.replace("\"modern\"", "\"more\":1,\"modern\"");
        assert_eq!(read(more.as_bytes()), None);
    }
}

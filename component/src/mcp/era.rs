//! The two eras of MCP: what each request carries, and which one the peer speaks.
//! Takes an answer to a modern request; gives the verdict of the specification's detection. Must not send anything.

use serde::Deserialize;

use super::{
    exchange::Reply,
    json_rpc::{Answer, RpcFault},
    object::Object,
};
use crate::model::{Era, Implementation, Session};

/// The modern revision that is spoken here.
pub const MODERN: &str = "2026-07-28";
/// The legacy revision that is offered.
pub const OFFERED: &str = "2025-11-25";
/// Legacy revisions, newest first.
pub const LEGACY: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// HTTP 400: the headers and the body disagree.
pub const HEADER_MISMATCH: i64 = -32_020;
/// HTTP 400: the peer needs a capability that was not declared.
pub const MISSING_CAPABILITY: i64 = -32_021;
/// HTTP 400: the revision is not spoken; `data.supported` lists the ones that are.
pub const UNSUPPORTED_VERSION: i64 = -32_022;

/// What the answer to a first modern request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The peer is modern, and this is its `server/discover` result.
    Modern(String),
    /// The peer knows the codes of the modern era, and speaks these revisions.
    OtherVersion(Vec<String>),
    /// The peer knows the codes of the modern era, and refuses the request as such.
    ModernRefusal,
    /// It knows no `server/discover`, in the way of the modern era: 404 and -32601. Many who know nothing at all answer so too.
    NoSuchMethod,
    /// Everything else. What has not proved to be modern is asked for the handshake: gateways were seen to refuse the credential for
    /// methods that they do not know, and to answer these with any status, any error, or another method's result.
    Unproven,
}

/// Judges the answer to `server/discover`.
#[must_use]
pub fn judge(reply: &Reply) -> Verdict {
    match &reply.answer {
        Ok(Answer::Result(result)) => match discovered(result) {
            versions if versions.iter().any(|version| version == MODERN) => Verdict::Modern(result.clone()),
            versions if versions.is_empty() => Verdict::Unproven,
            versions => Verdict::OtherVersion(versions),
        },
        Ok(Answer::Error(fault)) => match fault.code {
            UNSUPPORTED_VERSION if !supported(fault).is_empty() => Verdict::OtherVersion(supported(fault)),
            HEADER_MISMATCH | MISSING_CAPABILITY if reply.status == 400 => Verdict::ModernRefusal,
            -32_601 if reply.status == 404 => Verdict::NoSuchMethod,
            _ => Verdict::Unproven,
        },
        Err(_) => Verdict::Unproven,
    }
}

/// Whether the answer to `initialize` is that of a peer of the modern era only.
#[must_use]
pub fn refuses_handshake(reply: &Reply) -> bool {
    let Ok(Answer::Error(fault)) = &reply.answer else { return false };
    match fault.code {
        UNSUPPORTED_VERSION => supported(fault).iter().any(|theirs| theirs == MODERN),
        HEADER_MISMATCH | MISSING_CAPABILITY => reply.status == 400,
        _ => false,
    }
}

/// A lenient server may answer anything with some result; discovery names the revisions that are spoken.
fn discovered(result: &str) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Discovery {
        #[serde(default)]
        supported_versions: Vec<String>,
    }
    serde_json::from_str::<Discovery>(result).map(|discovery| discovery.supported_versions).unwrap_or_default()
}

/// `data.supported` of an `UnsupportedProtocolVersion` error.
#[must_use]
pub fn supported(fault: &RpcFault) -> Vec<String> {
    #[derive(Deserialize)]
    struct Data {
        #[serde(default)]
        supported: Vec<String>,
    }
    fault
        .data
        .as_ref()
        .and_then(|data| serde_json::from_str::<Data>(data.get()).ok())
        .map(|data| data.supported)
        .unwrap_or_default()
}

/// `_meta` of every modern request. No capability is declared: nobody is there to answer.
#[must_use]
pub fn modern_meta(client: &Implementation) -> Object {
    Object::default()
        .with("io.modelcontextprotocol/protocolVersion", MODERN)
        .with("io.modelcontextprotocol/clientCapabilities", &Object::default())
        .with("io.modelcontextprotocol/clientInfo", &client_info(client))
}

/// How a client is named, in either era.
#[must_use]
pub fn client_info(client: &Implementation) -> Object {
    Object::default().with("name", &client.name).with("version", &client.version)
}

/// Params of a request: the members given, and `_meta` as the era wants it.
#[must_use]
pub fn params(era: Era, client: &Implementation, members: Object, meta: Object) -> Object {
    let meta = match era {
        Era::Legacy => meta,
        Era::Modern => modern_meta(client).and(meta),
    };
    if meta.is_empty() { members } else { members.with("_meta", &meta) }
}

/// The headers of a request after the era is agreed. `name` is what `Mcp-Name` repeats.
#[must_use]
pub fn headers(session: &Session, method: &str, name: Option<&str>) -> Vec<(String, String)> {
    let mut headers = vec![("MCP-Protocol-Version".to_owned(), session.protocol_version.clone())];
    match session.era {
        Era::Legacy => {
            if let Some(id) = &session.session_id {
                headers.push(("Mcp-Session-Id".to_owned(), id.clone()));
            }
        }
        Era::Modern => {
            headers.push(("Mcp-Method".to_owned(), method.to_owned()));
            if let Some(name) = name {
                headers.push(("Mcp-Name".to_owned(), super::param_headers::encode(name)));
            }
        }
    }
    headers
}

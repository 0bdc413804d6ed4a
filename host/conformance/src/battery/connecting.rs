//! `discovery.conversation`: connecting, attaching, renewing, closing.
//! Looks at what arrives at the gateway, and at what the component says was agreed.

use http::Method;
use serde_json::{Value, json};

use super::{
    super::{
        gateway::{Gateway, LEGACY, MODERN, SERVER, VERSION, session_id},
        imitation::{Answer, Received},
        stage::{CLIENT, FIRST_ID, Scene, Stage, call},
        verdict::{Miss, Verdict, fails, ok, same, shown, want, wrong},
    },
    checks,
};
use pflow_gateway_runtime::types;

checks! { Discovery:
    shakes_hands, "discovery.conversation.open",
        "connects to a legacy gateway with a handshake",
        "initialize with protocolVersion, capabilities and clientInfo, then notifications/initialized; the session is legacy";
    introduces_the_client, "types.endpoint.client",
        "sends the client's name and version that the host gave",
        "clientInfo conformance-kit 7.8.9";
    tells_the_session, "types.session",
        "tells what was agreed with the gateway",
        "revision 2025-06-18, server imitation 4.5.6, no announcement of changes";
    repeats_session_and_revision, "discovery.conversation",
        "repeats the session id and the agreed revision on every request after the handshake",
        "Mcp-Session-Id session-1 and MCP-Protocol-Version 2025-06-18 on all of them, and no session id before";
    accepts_both_framings, "discovery.conversation.open",
        "accepts JSON and event streams as answers",
        "Accept names application/json and text/event-stream on every POST";
    goes_without_sessions, "discovery.conversation",
        "works with a gateway that has no sessions",
        "no Mcp-Session-Id anywhere, the tools are listed";
    speaks_modern, "types.era.modern",
        "connects to a modern gateway without a handshake",
        "the session is modern, revision 2026-07-28";
    describes_itself_in_every_modern_request, "types.era.modern",
        "makes every modern request stand alone",
        "MCP-Protocol-Version and Mcp-Method headers, and protocolVersion and clientCapabilities in _meta";
    keeps_a_known_era, "types.endpoint.era",
        "does not look for the era when the host knows it",
        "with era legacy, the first request is initialize";
    keeps_a_known_kind, "types.endpoint.kind",
        "keeps the product that the user named",
        "the kind of the first product that it offers, which is not generic, and a kind-evidence that is not empty";
    counts_ids_up, "types.endpoint.tokens",
        "counts the ids of its own requests through the tokens that the host gave",
        "7000 first, then larger ones";
    attaches_silently, "discovery.conversation.open",
        "attaches to a session without any traffic",
        "no request before the first list-tools, which carries the session's id; session and state give what was attached to";
    knows_its_state, "types.session-state",
        "writes down a session so that the same one is the same bytes, and another one is not",
        "one state for two conversations of a session, not longer than 8192 bytes, and another one after renew";
    refuses_a_foreign_state, "types.session-state",
        "does not take for a session what it did not write",
        "session-lost, not delivered and nothing sent, for no bytes, for noise, and for JSON of somebody else";
    tells_its_endpoint, "discovery.conversation.endpoint",
        "tells what it was opened with",
        "the same URL, tokens and settings";
    shares_a_session, "types.session",
        "lets two conversations share one session",
        "both list the tools, in one session";
    renews, "discovery.conversation.renew",
        "opens a new session after the old one was lost",
        "list-tools says session-lost; after renew, session-2 is used and the tools are listed";
    closes, "discovery.conversation.close",
        "ends the session when it is closed",
        "one DELETE with the session's id";
    forgives_a_refused_close, "discovery.conversation.close",
        "takes no offence when the gateway cannot end sessions",
        "close succeeds although DELETE is answered with 405";
    announces_changes, "types.session.announces-tool-changes",
        "tells whether the gateway announces changes of its tools",
        "announces-tool-changes true, for a gateway with tools.listChanged";
}

/// What was sent, but for attempts to find out the era.
fn conversation(scene: &Scene) -> Vec<Received> {
    scene.peer.received().into_iter().filter(|request| request.rpc() != "server/discover").collect()
}

fn in_words(requests: &[Received]) -> String {
    if requests.is_empty() {
        return "nothing was sent".to_owned();
    }
    shown(&requests.iter().map(Received::what).collect::<Vec<_>>())
}

async fn shakes_hands(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy()).await?;
    let sent = conversation(&scene);
    let order: Vec<&str> = sent.iter().map(Received::rpc).collect();
    want(order == ["initialize", "notifications/initialized"], || in_words(&sent))?;
    let hello = scene.only("initialize")?;
    for member in ["/params/protocolVersion", "/params/capabilities", "/params/clientInfo", "/id"] {
        want(!hello.at(member).is_null(), || format!("initialize without {member}: {}", shown(&hello.text)))?;
    }
    let session = ok("session", scene.guest.session().await)?;
    same("the era is", &session.era, &types::Era::Legacy)?;
    Ok("initialize, then notifications/initialized".to_owned())
}

async fn introduces_the_client(stage: Stage) -> Verdict {
    let scene = stage.open(Gateway::legacy()).await?;
    let told = scene.only("initialize")?.at("/params/clientInfo").clone();
    same("clientInfo is", &told, &json!({"name": CLIENT.0, "version": CLIENT.1}))?;
    Ok(told.to_string())
}

async fn tells_the_session(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy()).await?;
    let session = ok("session", scene.guest.session().await)?;
    same("the revision is", &session.protocol_version.as_str(), &LEGACY)?;
    same("the server is", &(session.server.name.as_str(), session.server.version.as_str()), &(SERVER, VERSION))?;
    want(!session.announces_tool_changes, || "it announces changes, which the gateway does not".to_owned())?;
    Ok(format!("{}, {SERVER} {VERSION}", session.protocol_version))
}

async fn repeats_session_and_revision(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy()).await?;
    scene.list().await?;
    scene.call(&call("send_message")).await?;
    ok("close", scene.guest.close().await)?;
    let sent = scene.peer.received();
    let hello = sent.iter().position(|request| request.rpc() == "initialize");
    let Some(hello) = hello else { return wrong("no initialize was sent") };
    let (before, after) = sent.split_at(hello + 1);
    if let Some(early) = before.iter().find(|request| request.header("mcp-session-id").is_some()) {
        return wrong(format!("a session id on {}, before there is a session", early.what()));
    }
    for request in after {
        for (name, value) in [("mcp-session-id", session_id(0)), ("mcp-protocol-version", LEGACY.to_owned())] {
            // DELETE ends the session; some leave the revision out there, and the specification names requests and notifications.
            if request.method == Method::DELETE && name == "mcp-protocol-version" && request.header(name).is_none() {
                continue;
            }
            let found = request.header(name);
            want(found == Some(value.as_str()), || {
                format!("{name} is {} on {}", found.unwrap_or("missing"), request.what())
            })?;
        }
    }
    Ok(format!("on all {}", after.len()))
}

async fn accepts_both_framings(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy()).await?;
    scene.list().await?;
    let posts = scene.peer.with_method(&Method::POST);
    want(!posts.is_empty(), || "nothing was sent".to_owned())?;
    for request in &posts {
        let accept = request.header("accept").unwrap_or_default();
        want(accept.contains("application/json") && accept.contains("text/event-stream"), || {
            format!("Accept is {accept:?} on {}", request.what())
        })?;
    }
    Ok(format!("both, on all {}", posts.len()))
}

async fn goes_without_sessions(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy().without_sessions()).await?;
    let tools = scene.list().await?.tools.len();
    ok("close", scene.guest.close().await)?;
    let sent = scene.peer.received();
    let with = sent.iter().find(|request| request.header("mcp-session-id").is_some());
    want(with.is_none(), || format!("a session id on {}", with.map(Received::what).unwrap_or_default()))?;
    same("tools listed:", &tools, &2)?;
    Ok("no session id, 2 tools".to_owned())
}

async fn speaks_modern(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::modern()).await?;
    let session = ok("session", scene.guest.session().await)?;
    same("the era is", &session.era, &types::Era::Modern)?;
    same("the revision is", &session.protocol_version.as_str(), &MODERN)?;
    let told = scene.peer.asked("notifications/initialized");
    want(told.is_empty(), || "notifications/initialized, which the modern era does not have".to_owned())?;
    Ok(format!("modern, {MODERN}"))
}

async fn describes_itself_in_every_modern_request(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::modern()).await?;
    scene.list().await?;
    scene.call(&call("send_message")).await?;
    let sent: Vec<_> = scene.peer.received().into_iter().filter(|request| request.rpc() != "initialize").collect();
    want(!sent.is_empty(), || "nothing was sent".to_owned())?;
    for request in &sent {
        let about = |part: &str, found: &str| format!("{part} is {found} on {}", request.what());
        let meta = |name: &str| request.at(&format!("/params/_meta/io.modelcontextprotocol~1{name}")).clone();
        for (name, value) in [("mcp-protocol-version", MODERN), ("mcp-method", request.rpc())] {
            let found = request.header(name);
            want(found == Some(value), || about(name, found.unwrap_or("missing")))?;
        }
        want(request.header("mcp-session-id").is_none(), || about("mcp-session-id", "there"))?;
        want(meta("protocolVersion") == json!(MODERN), || {
            about("_meta protocolVersion", &meta("protocolVersion").to_string())
        })?;
        want(meta("clientCapabilities").is_object(), || {
            about("_meta clientCapabilities", &meta("clientCapabilities").to_string())
        })?;
    }
    Ok(format!("all {} do", sent.len()))
}

async fn keeps_a_known_era(stage: Stage) -> Verdict {
    let mut scene = stage.scene(Gateway::legacy()).await?;
    scene.endpoint.era = Some(types::Era::Legacy);
    scene.open().await?;
    let sent = scene.peer.received();
    let first = sent.first().map(Received::rpc).unwrap_or_default();
    want(first == "initialize", || in_words(&sent))?;
    Ok("initialize first".to_owned())
}

async fn keeps_a_known_kind(stage: Stage) -> Verdict {
    let mut scene = stage.scene(Gateway::legacy()).await?;
    let known = ok("known", scene.guest.products().await)?;
    let Some(product) = known.iter().find(|product| product.id != "generic") else {
        return Err(Miss::NotOffered("it knows no product but generic".to_owned()));
    };
    scene.endpoint.kind = Some(product.id.clone());
    scene.open().await?;
    let session = ok("session", scene.guest.session().await)?;
    same("the kind is", &session.kind, &product.id)?;
    want(!session.kind_evidence.is_empty(), || "kind-evidence is empty".to_owned())?;
    Ok(format!("{}: {}", product.id, shown(&session.kind_evidence)))
}

async fn counts_ids_up(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy()).await?;
    scene.list().await?;
    scene.list().await?;
    let ids: Vec<Value> = scene.peer.received().iter().map(Received::id).filter(|id| !id.is_null()).collect();
    let numbers: Vec<u64> = ids.iter().filter_map(Value::as_u64).collect();
    let counted = numbers.len() == ids.len()
        && numbers.first() == Some(&u64::from(FIRST_ID))
        && numbers.iter().zip(numbers.iter().skip(1)).all(|(before, after)| before < after);
    want(counted, || format!("the ids were {}", shown(&ids)))?;
    Ok(shown(&numbers))
}

async fn attaches_silently(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy()).await?;
    let (session, state) = (ok("session", scene.guest.session().await)?, ok("state", scene.guest.state().await)?);
    let before = scene.peer.received().len();
    let since = |scene: &Scene| scene.peer.received().into_iter().skip(before).collect::<Vec<_>>();
    let mut other = stage.guest(scene.peer.url()).await?;
    ok("open with a state", other.open(&scene.endpoint, Some(&state)).await)?;
    let (told, again) = (ok("session", other.session().await)?, ok("state", other.state().await)?);
    let sent = since(&scene);
    want(sent.is_empty(), || in_words(&sent))?;
    let words = |session: &types::Session| {
        (session.protocol_version.clone(), session.kind.clone(), session.server.name.clone())
    };
    same("the session is", &words(&told), &words(&session))?;
    want(again == state, || "the state that it gives is not the one that it was given".to_owned())?;
    ok("list-tools", other.list_tools().await)?;
    let sent = since(&scene);
    let ids: Vec<_> = sent.iter().map(|request| (request.rpc(), request.header("mcp-session-id"))).collect();
    want(ids == [("tools/list", Some(session_id(0).as_str()))], || shown(&ids))?;
    Ok("one request, tools/list in the session".to_owned())
}

async fn knows_its_state(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy()).await?;
    let first = ok("state", scene.guest.state().await)?;
    scene.list().await?;
    let listed = ok("state", scene.guest.state().await)?;
    want(first == listed, || "reading the tools changed it".to_owned())?;
    ok("renew", scene.guest.renew().await)?;
    let renewed = ok("state", scene.guest.state().await)?;
    want(first != renewed, || "it is the same after renew, in another session".to_owned())?;
    Ok(format!("{} bytes", first.len()))
}

async fn refuses_a_foreign_state(stage: Stage) -> Verdict {
    let mut scene = stage.scene(Gateway::legacy()).await?;
    for foreign in [&b""[..], b"\0\x01\xff noise", br#"{"of": "somebody else", "id": "session-1"}"#] {
        fails(scene.guest.open(&scene.endpoint, Some(foreign)).await, |error| {
            matches!(error.code, types::FailureCode::SessionLost)
                && matches!(error.delivery, types::Delivery::NotDelivered)
        })?;
    }
    let sent = scene.peer.received();
    want(sent.is_empty(), || in_words(&sent))?;
    scene.open().await?;
    Ok("session-lost for each, and it opens a session of its own".to_owned())
}

async fn tells_its_endpoint(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy()).await?;
    let told = ok("endpoint", scene.guest.endpoint().await)?;
    let given = &scene.endpoint;
    same("the URL is", &told.url, &given.url)?;
    let tokens = |endpoint: &types::Endpoint| (endpoint.tokens.first, endpoint.tokens.count);
    same("the tokens are", &tokens(&told), &tokens(given))?;
    same("the settings are", &told.settings, &given.settings)?;
    Ok(told.url)
}

async fn shares_a_session(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy()).await?;
    let state = ok("state", scene.guest.state().await)?;
    let mut other = stage.guest(scene.peer.url()).await?;
    let mut endpoint = scene.endpoint.clone();
    endpoint.tokens.first = FIRST_ID + 1_000;
    ok("open with a state", other.open(&endpoint, Some(&state)).await)?;
    let (mine, theirs) = tokio::join!(scene.guest.list_tools(), other.list_tools());
    let (mine, theirs) = (ok("list-tools", mine)?.tools.len(), ok("list-tools beside it", theirs)?.tools.len());
    same("tools listed by the two:", &(mine, theirs), &(2, 2))?;
    let opened = scene.peer.asked("initialize").len();
    same("sessions opened:", &opened, &1)?;
    Ok("2 tools each, one session".to_owned())
}

async fn renews(stage: Stage) -> Verdict {
    let lost = |request: &Received, _: usize| {
        (request.header("mcp-session-id") == Some("session-1")).then(|| {
            Answer::json(
                404,
                &json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32_600, "message": "Session not found"}}),
            )
        })
    };
    let mut scene = stage.open(Gateway::legacy().on("tools/list", lost)).await?;
    fails(scene.guest.list_tools().await, |error| matches!(error.code, types::FailureCode::SessionLost))?;
    ok("renew", scene.guest.renew().await)?;
    let tools = scene.list().await?.tools.len();
    same("tools listed in it:", &tools, &2)?;
    let lists = scene.peer.asked("tools/list");
    let last = lists.last().and_then(|request| request.header("mcp-session-id")).map(str::to_owned);
    same("the session of the last list is", &last, &Some(session_id(1)))?;
    Ok("session-lost, then session-2 with 2 tools".to_owned())
}

async fn closes(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy()).await?;
    ok("close", scene.guest.close().await)?;
    let ended = scene.peer.with_method(&Method::DELETE);
    let ids: Vec<_> = ended.iter().map(|request| request.header("mcp-session-id").unwrap_or("none")).collect();
    want(ids == ["session-1"], || format!("DELETE with session ids {}", shown(&ids)))?;
    Ok("DELETE of session-1".to_owned())
}

async fn forgives_a_refused_close(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy().always("DELETE", Answer::empty(405))).await?;
    ok("close", scene.guest.close().await)?;
    same("DELETEs:", &scene.peer.with_method(&Method::DELETE).len(), &1)?;
    Ok("closed, after one DELETE".to_owned())
}

async fn announces_changes(stage: Stage) -> Verdict {
    let mut scene = stage.open(Gateway::legacy().announcing_changes()).await?;
    let session = ok("session", scene.guest.session().await)?;
    if session.announces_tool_changes { Ok("true".to_owned()) } else { Err(Miss::Wrong("false".to_owned())) }
}

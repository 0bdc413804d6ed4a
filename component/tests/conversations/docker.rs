//! Docker MCP Gateway, imitated row by row from what the real one was seen to send.

use pflow_gateway_component::{
    http::{Failure, Method},
    model::{Attribution, Confidence, Delivery, Error, Kind, Status},
};
use serde_json::{Value, json};

use crate::fake::{Canned, Fake, Peer, Seen, call, open, tool};

/// What happened to the service behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    Well,
    Down,
    Restarted,
    Closing,
    Unauthorized,
    SecretIn,
    SecretOut,
    OwnError,
    /// A container service: its process ended during the call.
    Crashed,
    /// As above, of a `longLived` one, at the next call.
    CrashedBefore,
    Denied,
    Unjudged,
    Unconfigured,
    NoDaemon,
    AnyGoError,
}

struct Docker {
    tools: Vec<Value>,
    backend: Backend,
    /// Code and text of the answer to every call, in the place of the backend's.
    says: Option<(i64, String)>,
    sessions: Vec<String>,
    opened: usize,
}

impl Docker {
    fn new(names: &[&str]) -> Self {
        Self {
            tools: names.iter().map(|name| tool(name)).collect(),
            backend: Backend::Well,
            says: None,
            sessions: vec![],
            opened: 0,
        }
    }

    fn with(backend: Backend) -> Self {
        Self { backend, ..Self::new(&["post_message"]) }
    }

    fn say(seen: &Seen, result: &Value) -> Canned {
        Canned::result(seen, result).into_stream()
    }

    fn fail(seen: &Seen, code: i64, message: &str) -> Canned {
        Canned::error(200, seen, code, message).into_stream()
    }
}

impl Peer for Docker {
    fn answer(&mut self, seen: &Seen) -> Result<Canned, Failure> {
        let plain = |status, text: &str| Ok(Canned::text(status, "text/plain; charset=utf-8", text));
        let session = seen.header("mcp-session-id").map(str::to_owned);
        if seen.method == Method::Delete {
            let Some(session) = session else {
                return plain(400, "Bad Request: DELETE requires an Mcp-Session-Id header");
            };
            let before = self.sessions.len();
            self.sessions.retain(|known| *known != session);
            return if self.sessions.len() < before { Ok(Canned::empty(204)) } else { plain(404, "session not found") };
        }
        if seen.method == Method::Get {
            return plain(400, "Bad Request: GET requires an Mcp-Session-Id header");
        }
        if seen.header("content-type") != Some("application/json") {
            return plain(415, "Content-Type must be 'application/json'");
        }
        if seen.header("accept") != Some("application/json, text/event-stream") {
            return plain(400, "Accept must contain both 'application/json' and 'text/event-stream'");
        }
        let known = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
        if seen.header("mcp-protocol-version").is_some_and(|version| !known.contains(&version)) {
            return plain(
                400,
                "Bad Request: Unsupported protocol version (supported versions: 2025-11-25,2025-06-18,2025-03-26,2024-11-05)\n",
            );
        }
        if let Some(session) = &session
            && !self.sessions.contains(session)
        {
            return plain(404, "session not found\n");
        }
        match seen.rpc() {
            "initialize" => {
                self.opened += 1;
                let id = format!("RCFIGOSMCDSWMQBDIRFK5LK4E{}", self.opened);
                self.sessions.push(id.clone());
                let offered = seen.body["params"]["protocolVersion"].as_str().unwrap();
                let version = if known.contains(&offered) { offered } else { "2025-06-18" };
                let hello = json!({
                    "capabilities": {"logging": {}, "prompts": {"listChanged": true}, "resources": {"listChanged": true, "subscribe": true}, "tools": {"listChanged": true}},
                    "protocolVersion": version,
                    "serverInfo": {"name": "Docker AI MCP Gateway", "version": "2.0.1"},
                });
                // A new gateway session heals a poisoned service.
                if matches!(self.backend, Backend::Restarted | Backend::Closing | Backend::CrashedBefore)
                    && self.opened > 1
                {
                    self.backend = Backend::Well;
                }
                Ok(Self::say(seen, &hello).header("Mcp-Session-Id", &id))
            }
            "notifications/initialized" | "notifications/cancelled" => Ok(Canned::empty(202)),
            method if session.is_none() => {
                Ok(Self::fail(seen, 0, &format!("method \"{method}\" is invalid during session initialization")))
            }
            "tools/list" => Ok(Self::say(seen, &json!({"tools": self.tools}))),
            "tools/call" => Ok(self.call(seen)),
            method => plain(400, &format!("JSON RPC not handled: \"{method}\" unsupported")),
        }
    }
}

impl Docker {
    fn call(&self, seen: &Seen) -> Canned {
        let name = seen.body["params"]["name"].as_str().unwrap();
        if !self.tools.iter().any(|tool| tool["name"] == name) {
            return Self::fail(seen, -32_602, &format!("unknown tool \"{name}\""));
        }
        if let Some((code, text)) = &self.says {
            return Self::fail(seen, *code, text);
        }
        match self.backend {
            Backend::Well => Self::say(seen, &json!({"content": [{"type": "text", "text": "sent"}]})),
            Backend::Down => Self::fail(
                seen,
                -32_005,
                "calling \"tools/call\": sending \"tools/call\": rejected by transport: Post \"http://127.0.0.1:18102/mcp\": dial tcp 127.0.0.1:18102: connect: connection refused",
            ),
            Backend::Restarted => Self::fail(
                seen,
                0,
                "calling \"tools/call\": sending \"tools/call\": failed to connect (session ID: 5741): session not found",
            ),
            Backend::Closing => {
                Self::fail(seen, 0, "connection closed: calling \"tools/call\": client is closing: session not found")
            }
            Backend::Unauthorized => {
                Self::fail(seen, 0, "failed to connect: calling \"initialize\": sending \"initialize\": Unauthorized")
            }
            Backend::SecretIn => Self::fail(seen, 0, "a secret is being passed to tool post_message"),
            Backend::SecretOut => Self::fail(seen, 0, "a secret is being returned by the post_message tool"),
            Backend::Crashed => Self::fail(seen, 0, "calling \"tools/call\": EOF"),
            Backend::CrashedBefore => {
                Self::fail(seen, 0, "connection closed: calling \"tools/call\": client is closing: EOF")
            }
            Backend::Denied => {
                Self::fail(seen, 0, "policy denied tool create_issue on server com.example/github: not in this team")
            }
            Backend::Unjudged => Self::fail(
                seen,
                0,
                "policy check failed for com.example/github/create_issue: context deadline exceeded",
            ),
            Backend::Unconfigured => Self::fail(seen, 0, "server \"github\" not found in configuration"),
            Backend::NoDaemon => Self::fail(
                seen,
                0,
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            ),
            Backend::AnyGoError => Self::fail(seen, 0, "no such container image: mcp/slack"),
            Backend::OwnError => Self::fail(seen, -32_042, "calling \"tools/call\": URL elicitation required"),
        }
    }
}

fn error(backend: Backend) -> Error {
    let fake = Fake::new(Docker::with(backend));
    let error = open(&fake).unwrap().call_tool(&call("post_message")).unwrap_err();
    assert_eq!(fake.count("POST tools/call"), 1, "a call is never repeated");
    error
}

#[test]
fn it_is_recognised_by_its_server_name_and_offered_what_it_speaks() {
    let fake = Fake::new(Docker::new(&["a"]));
    let conversation = open(&fake).unwrap();
    assert_eq!(conversation.session().kind, Kind::Docker);
    assert_eq!(conversation.session().kind_evidence, "serverInfo.name is \"Docker AI MCP Gateway\"");
    assert_eq!(conversation.session().protocol_version, "2025-11-25");
}

#[test]
fn bare_names_stay_unattributed_and_control_tools_are_the_gateways() {
    let names =
        ["create_issue", "list_issues", "post_message", "mcp-add", "mcp-find", "code-mode", "code-mode-x", "mcp-other"];
    let fake = Fake::new(Docker::new(&names));
    let catalog = open(&fake).unwrap().list_tools().unwrap();
    for tool in &catalog.tools {
        let control = ["mcp-add", "mcp-find", "code-mode", "code-mode-x"].contains(&tool.name.as_str());
        let expected = if control { Attribution::Control } else { Attribution::None };
        assert_eq!(tool.provenance.attribution, expected, "{}", tool.name);
        assert_eq!(tool.provenance.service.as_deref(), control.then_some("gateway"), "{}", tool.name);
    }
}

#[test]
fn prefixes_are_a_guess_until_the_service_is_declared() {
    let names =
        ["github__create_issue", "github__list_issues", "sl__post_message", "com.example/my.gh__srv__create_issue"];
    let attributed = |declared: Vec<pflow_gateway_component::model::DeclaredService>| {
        let fake = Fake::new(Docker::new(&names));
        let mut endpoint = crate::fake::endpoint(crate::fake::URL);
        endpoint.services = declared;
        let mut conversation = pflow_gateway_component::conversation::Conversation::open(fake, endpoint, None).unwrap();
        let catalog = conversation.list_tools().unwrap();
        let tools = catalog.tools;
        names.map(|name| {
            let provenance = tools.iter().find(|tool| tool.name == name).unwrap().provenance.clone();
            (provenance.service, provenance.confidence)
        })
    };
    let guessed = attributed(vec![]);
    assert_eq!(guessed[0], (Some("github".to_owned()), Confidence::Low));
    assert_eq!(guessed[2], (None, Confidence::None), "one tool alone shares nothing");
    let declare = |name: &str, prefix: Option<&str>| pflow_gateway_component::model::DeclaredService {
        name: name.to_owned(),
        prefix: prefix.map(str::to_owned),
        tools: Vec::new(),
    };
    let declared = attributed(vec![
        declare("github", None),
        declare("slack", Some("sl__")),
        declare("com.example/my.gh", None),
        declare("com.example/my.gh__srv", None),
    ]);
    assert_eq!(declared[0], (Some("github".to_owned()), Confidence::Certain));
    assert_eq!(declared[2], (Some("slack".to_owned()), Confidence::Certain));
    assert_eq!(
        declared[3],
        (Some("com.example/my.gh__srv".to_owned()), Confidence::Certain),
        "the longest prefix wins"
    );
}

#[test]
fn an_expired_session_is_lost_before_delivery() {
    let fake = Fake::new(Docker::new(&["post_message"]));
    let mut session = open(&fake).unwrap().session().clone();
    session.session_id = Some("GONE".to_owned());
    let endpoint = crate::fake::endpoint(crate::fake::URL);
    let mut conversation =
        pflow_gateway_component::conversation::Conversation::open(fake, endpoint, Some(session.clone())).unwrap();
    let Err(Error::SessionLost(lost)) = conversation.call_tool(&call("post_message")) else { panic!() };
    assert_eq!((lost.http_status, lost.delivery), (404, Delivery::NotDelivered));
    session.session_id = None;
    let fake = Fake::new(Docker::new(&["post_message"]));
    let endpoint = crate::fake::endpoint(crate::fake::URL);
    let mut conversation =
        pflow_gateway_component::conversation::Conversation::open(fake, endpoint, Some(session)).unwrap();
    let Err(Error::SessionLost(lost)) = conversation.call_tool(&call("post_message")) else { panic!() };
    assert_eq!((lost.http_status, lost.delivery), (200, Delivery::NotDelivered));
}

#[test]
fn a_restarted_service_poisons_the_session_and_a_new_one_heals_it() {
    for backend in [Backend::Restarted, Backend::Closing, Backend::CrashedBefore] {
        let fake = Fake::new(Docker::with(backend));
        let mut conversation = open(&fake).unwrap();
        let Err(Error::SessionLost(lost)) = conversation.call_tool(&call("post_message")) else {
            panic!("{backend:?}")
        };
        assert_eq!(lost.delivery, Delivery::NotDelivered, "neither text is of a call that a service saw");
        conversation.renew().unwrap();
        assert_eq!(fake.count("DELETE /mcp"), 1, "the poisoned session is ended, or it stays for ever");
        assert!(!conversation.call_tool(&call("post_message")).unwrap().failed);
    }
}

#[test]
fn a_service_that_is_down_is_to_blame_and_nothing_was_delivered() {
    let Error::Upstream(failure) = error(Backend::Down) else { panic!() };
    assert_eq!((failure.status, failure.delivery), (Status::Unreachable, Delivery::NotDelivered));
    assert_eq!(failure.service.as_deref(), Some("slack"));
}

#[test]
fn an_error_of_go_is_the_services_failure_and_never_the_callers_mistake() {
    for (backend, service, status, delivery) in [
        (Backend::Crashed, "slack", Status::UpstreamError, Delivery::MaybeDelivered),
        (Backend::AnyGoError, "slack", Status::UpstreamError, Delivery::MaybeDelivered),
        (Backend::Denied, "com.example/github", Status::Forbidden, Delivery::NotDelivered),
        (Backend::Unjudged, "com.example/github", Status::Forbidden, Delivery::NotDelivered),
        (Backend::Unconfigured, "github", Status::Disabled, Delivery::NotDelivered),
        (Backend::NoDaemon, "slack", Status::Unreachable, Delivery::NotDelivered),
    ] {
        let Error::Upstream(failure) = error(backend) else { panic!("{backend:?}") };
        assert_eq!((failure.status, failure.delivery), (status, delivery), "{backend:?}");
        assert_eq!(failure.service.as_deref(), Some(service), "{backend:?}");
    }
}

#[test]
fn bare_names_are_warned_of_with_what_would_name_their_services() {
    let fake = Fake::new(Docker::new(&["create_issue", "post_message", "mcp-add"]));
    let catalog = open(&fake).unwrap().list_tools().unwrap();
    let told: Vec<_> = catalog.warnings.iter().map(|warning| warning.message.as_str()).collect();
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert!(told.contains("does not tell which services") && told.contains("tool-name-prefix"), "{told}");
    assert!(told.contains("--service"), "{told}");
}

#[test]
fn a_gateway_with_control_tools_alone_has_no_services_and_says_what_to_do() {
    for names in [&["mcp-add", "mcp-find", "code-mode"][..], &[]] {
        let fake = Fake::new(Docker::new(names));
        let catalog = open(&fake).unwrap().list_tools().unwrap();
        let [warning] = catalog.warnings.as_slice() else { panic!("{:?}", catalog.warnings) };
        assert_eq!(warning.concern, pflow_gateway_component::model::Concern::NoTools);
        assert!(warning.message.contains("profile") && warning.message.contains("Can't start"), "{}", warning.message);
    }
}

#[test]
fn a_service_that_refuses_the_gateways_credential_is_not_our_401() {
    let Error::Upstream(failure) = error(Backend::Unauthorized) else { panic!() };
    assert_eq!((failure.status, failure.delivery), (Status::AuthRequired, Delivery::NotDelivered));
}

#[test]
fn the_secret_blocker_is_a_refusal_and_says_whether_the_tool_ran() {
    let Error::Blocked(refusal) = error(Backend::SecretIn) else { panic!() };
    assert_eq!((refusal.http_status, refusal.delivery), (200, Delivery::NotDelivered));
    let Error::Blocked(refusal) = error(Backend::SecretOut) else { panic!() };
    assert_eq!(refusal.delivery, Delivery::MaybeDelivered);
}

/// A service behind says what the gateway says too, in an error of its own: it ran.
#[test]
fn what_a_service_says_in_the_gateways_words_is_not_believed() {
    for words in [
        "a secret is being passed to tool post_message",
        "policy denied tool post_message on server github: no",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        "server \"github\" not found in configuration",
        "failed to connect (session ID: 5741): session not found",
        "dial tcp 10.0.0.7:5432: connect: connection refused",
        "the client is closing",
        "sending \"report.pdf\": dial tcp 10.0.0.7:25: connect: connection refused",
        "this is invalid during session initialization",
    ] {
        for code in [0, -32_603] {
            let mut docker = Docker::with(Backend::Well);
            docker.says = Some((code, format!("calling \"tools/call\": {words}")));
            let error = open(&Fake::new(docker)).unwrap().call_tool(&call("post_message")).unwrap_err();
            let delivery = match &error {
                Error::Upstream(failure) => failure.delivery,
                Error::SessionLost(loss) => loss.delivery,
                Error::Rejected(rejected) => rejected.delivery,
                other => panic!("{words}: {other:?}"),
            };
            assert_eq!(delivery, Delivery::MaybeDelivered, "{words}: {error:?}");
        }
    }
}

#[test]
fn errors_of_the_tool_itself_and_unknown_tools_are_rejections() {
    let Error::Rejected(rejected) = error(Backend::OwnError) else { panic!() };
    assert_eq!(rejected.code, -32_042);
    let fake = Fake::new(Docker::new(&["a"]));
    let Err(Error::Rejected(rejected)) = open(&fake).unwrap().call_tool(&call("nope")) else { panic!() };
    assert_eq!((rejected.code, rejected.message.as_str()), (-32_602, "unknown tool \"nope\""));
}

#[test]
fn the_gateways_401_keeps_its_challenge_and_starts_nothing() {
    let fake = Fake::scripted(|_| {
        Ok(Canned::text(401, "text/plain; charset=utf-8", "Unauthorized\n")
            .header("Www-Authenticate", "Bearer realm=\"MCP Gateway\""))
    });
    let Err(Error::AuthRequired(refusal)) = open(&fake) else { panic!() };
    assert_eq!(refusal.challenge.as_deref(), Some("Bearer realm=\"MCP Gateway\""));
    assert_eq!(refusal.body, "Unauthorized");
    assert_eq!(fake.wire(), ["POST server/discover", "POST initialize"]);
}

#[test]
fn there_is_no_health_of_services_and_it_says_so() {
    let fake = Fake::new(Docker::new(&["github__a", "github__b"]));
    let mut conversation = open(&fake).unwrap();
    let known = conversation.list_tools().unwrap().services;
    let before = fake.wire().len();
    let health = conversation.health(&known).unwrap();
    assert_eq!((health[0].name.as_str(), health[0].status), ("github", Status::Unknown));
    assert!(health[0].evidence[0].contains("no health"));
    assert_eq!(fake.wire().len(), before, "nothing is probed");
}

#[test]
fn a_catalogue_of_exactly_fifty_tools_may_have_been_cut() {
    let names: Vec<String> = (0..50).map(|i| format!("tool_{i}")).collect();
    let fake = Fake::new(Docker::new(&names.iter().map(String::as_str).collect::<Vec<_>>()));
    let catalog = open(&fake).unwrap().list_tools().unwrap();
    assert_eq!(catalog.warnings[0].concern, pflow_gateway_component::model::Concern::RoundNumber);
}

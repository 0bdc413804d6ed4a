//! Tools that were listed once and are not now, and lists that cannot be read to their end: the gateway itself says what it has.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use pflow_gateway::{
    CallOptions, Class, Gateway, Unlisted,
    config::{Filter, GatewayConfig},
    report,
    runtime::{Runtime, Source},
};
use pflow_gateway_tests::{
    reply::{Answer, Reply},
    rpc,
    server::{self, Answering, Fake},
    wire::Seen,
};
use serde_json::{Map, Value, json};

/// Lists one tool, with a second page that fails if that is wanted; counts what runs.
#[derive(Default)]
struct Shrunk {
    second_page_fails: bool,
    runs: AtomicU32,
}

impl Shrunk {
    fn reply(&self, seen: &Seen) -> Answer {
        let id = seen.rpc_id();
        let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
        let hello = json!({
            "protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}
        });
        let params = seen.message.as_ref().map(|message| message["params"].clone()).unwrap_or_default();
        let result = match (seen.rpc_method().unwrap_or_default(), params["name"].as_str().unwrap_or_default()) {
            ("initialize", _) => hello,
            ("notifications/initialized", _) => return Answer::empty(202),
            ("tools/list", _) if params["cursor"].is_string() => {
                return Answer::body(500, "text/plain", "boom");
            }
            ("tools/list", _) if self.second_page_fails => {
                json!({"tools": [tool("notes__list")], "nextCursor": "2"})
            }
            ("tools/list", _) => json!({"tools": [tool("notes__list")]}),
            ("tools/call", "notes__refused") => {
                return Answer::json(200, &rpc::error(&id, -32_602, "Unknown tool: notes__refused"));
            }
            ("tools/call", "notes__denied") => rpc::failed("Unknown tool: notes__denied"),
            ("tools/call", "notes__searched") => {
                self.runs.fetch_add(1, Ordering::Relaxed);
                rpc::failed("created 3 issues for notes__searched; the tool chain \"rust-1.99\" was not found")
            }
            ("tools/call", name) => {
                self.runs.fetch_add(1, Ordering::Relaxed);
                if name == "notes__lost" {
                    return Answer::body(502, "text/plain", "please try again");
                }
                rpc::text("done")
            }
            _ => return Answer::json(400, &rpc::error(&Value::Null, -32_000, "Server not initialized")),
        };
        Answer::json(200, &rpc::result(&id, &result))
    }
}

impl server::Gateway for Shrunk {
    fn answer<'a>(&'a self, seen: &'a Seen) -> Answering<'a> {
        Box::pin(async move { Reply::from(self.reply(seen)) })
    }
}

struct Place {
    behind: Arc<Shrunk>,
    fake: Fake,
    gateway: Gateway,
}

async fn place(second_page_fails: bool, filter: Filter) -> Place {
    let behind = Arc::new(Shrunk { second_page_fails, ..Shrunk::default() });
    let fake = Fake::start(Arc::clone(&behind) as Arc<_>).await.unwrap();
    let mut config = GatewayConfig::for_url(&fake.url()).unwrap();
    config.filter = filter;
    let gateway = Gateway::new(Runtime::shared(&Source::BuiltIn, &config.limits).unwrap(), config);
    Place { behind, fake, gateway }
}

impl Place {
    async fn call(&self, tool: &str, unlisted: Unlisted) -> report::Call {
        self.gateway.call(tool, Map::new(), CallOptions { unlisted, ..CallOptions::default() }).await
    }

    /// Calls that were sent, and tools that ran.
    fn counts(&self) -> (usize, u32) {
        (self.fake.log().count("tools/call"), self.behind.runs.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn who_has_the_name_from_a_list_is_answered_by_the_gateway_and_everybody_else_is_refused() {
    let place = place(false, Filter::default()).await;
    let refused = place.call("notes__add", Unlisted::Refused).await;
    assert_eq!((refused.error.unwrap().class, place.counts()), (Class::Config, (0, 0)));
    let asked = place.call("notes__add", Unlisted::Asked).await;
    assert!(asked.ok && asked.error.is_none(), "{asked:?}");
    assert_eq!(place.counts(), (1, 1));
    place.gateway.close().await;
}

#[tokio::test]
async fn a_gateway_that_does_not_know_the_tool_either_is_told_in_the_usual_words() {
    let place = place(false, Filter::default()).await;
    for tool in ["notes__refused", "notes__denied"] {
        let error = place.call(tool, Unlisted::Asked).await.error.unwrap();
        assert_eq!(error.class, Class::Config, "{error:?}");
        assert!(error.message.contains(&format!("has no tool {tool}")), "{error:?}");
        assert!(!error.hint.unwrap_or_default().contains("may have run"));
    }
    assert_eq!(place.counts(), (2, 0));
    place.gateway.close().await;
}

#[tokio::test]
async fn a_tool_that_ran_and_did_not_find_something_else_is_no_unknown_tool() {
    let place = place(false, Filter::default()).await;
    let report = place.call("notes__searched", Unlisted::Asked).await;
    let told = report.result.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(!report.ok && told.contains("created 3 issues"), "{report:?}");
    assert_eq!(place.counts(), (1, 1));
    place.gateway.close().await;
}

#[tokio::test]
async fn an_answer_that_is_lost_says_that_it_may_have_run() {
    let place = place(false, Filter::default()).await;
    let error = place.call("notes__lost", Unlisted::Asked).await.error.unwrap();
    assert!(error.hint.as_ref().is_some_and(|hint| hint.starts_with("notes__lost may have run; check")), "{error:?}");
    assert!(!error.message.contains("try again"), "{error:?}");
    assert_eq!(place.counts(), (1, 1));
    place.gateway.close().await;
}

#[tokio::test]
async fn what_the_filter_is_against_is_refused_listed_or_not() {
    let list = |name: &str| vec![name.to_owned()];
    for filter in [
        Filter { include_tools: list("notes__list"), ..Filter::default() },
        Filter { exclude_tools: list("*__add"), ..Filter::default() },
        // Nobody knows of it what these ask.
        Filter { read_only: true, ..Filter::default() },
        Filter { no_destructive: true, ..Filter::default() },
        Filter { include_services: list("notes"), ..Filter::default() },
        Filter { exclude_services: list("secret"), ..Filter::default() },
    ] {
        let place = place(false, filter.clone()).await;
        let error = place.call("notes__add", Unlisted::Asked).await.error.unwrap();
        assert_eq!((error.class, place.counts()), (Class::Config, (0, 0)), "{filter:?}: {error:?}");
        place.gateway.close().await;
    }
    let place = place(false, Filter { include_tools: list("notes__*"), ..Filter::default() }).await;
    assert!(place.call("notes__add", Unlisted::Asked).await.ok);
    place.gateway.close().await;
}

#[tokio::test]
async fn a_list_that_is_not_whole_is_told_and_never_makes_a_tool_gone() {
    let place = place(true, Filter::default()).await;
    let tools = place.gateway.tools(&Filter::default()).await.unwrap();
    assert_eq!(tools.tools.len(), 1);
    assert!(tools.warnings.iter().any(|w| w.starts_with("the list of tools is not whole: page 2")), "{tools:?}");
    let health = place.gateway.health().await;
    assert_eq!(health.status, report::Status::Degraded, "{health:?}");
    assert!(health.warnings.iter().any(|w| w.contains("is not whole")), "{health:?}");
    // Whoever asks: it may stand on the page that could not be read.
    assert!(place.call("notes__add", Unlisted::Refused).await.ok);
    let error = place.call("notes__refused", Unlisted::Refused).await.error.unwrap();
    assert!(error.message.ends_with("answers that it has no tool notes__refused"), "{error:?}");
    assert_eq!(place.counts(), (2, 1));
    place.gateway.close().await;
}

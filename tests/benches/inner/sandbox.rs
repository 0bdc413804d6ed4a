//! What both programs of measurements do with the sandbox.
//! Takes a runtime and a URL; gives instances, and what they are asked. Never measures.

use std::{sync::Arc, time::Duration};

use pflow_gateway::{
    config::GatewayConfig,
    egress::{Egress, EgressLimits},
    runtime::{CodeStore, Conversation, Events, Limits, Runtime, Source, filter, types},
};

/// Long enough for everything here.
pub(crate) const WITHIN: Duration = Duration::from_mins(1);

struct Deaf;

impl Events for Deaf {
    fn progress(&self, _: u32, _: f64, _: Option<f64>, _: Option<String>) {}
    fn message(&self, _: Option<u32>, _: String, _: Option<String>, _: String) {}
    fn tools_changed(&self) {}
}

pub(crate) fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn runtime(code: &CodeStore) -> Arc<Runtime> {
    Runtime::with(&Source::BuiltIn, Limits::default(), code).unwrap()
}

/// The way out to a URL.
pub(crate) fn egress(url: &str) -> Egress {
    let options = GatewayConfig::for_url(url).unwrap().way_out().unwrap();
    Egress::new(&options, &EgressLimits::default()).unwrap()
}

/// One whose requests may go to this URL.
pub(crate) async fn instance(runtime: &Runtime, url: &str) -> Conversation {
    Conversation::start(runtime, egress(url), Arc::new(Deaf), WITHIN).await.unwrap()
}

/// One that has agreed with the server there.
pub(crate) async fn opened(runtime: &Runtime, url: &str) -> Conversation {
    let endpoint = types::Endpoint {
        url: url.to_owned(),
        kind: None,
        services: Vec::new(),
        client: types::Implementation { name: "sandbox".to_owned(), version: "0".to_owned() },
        era: None,
        era_is_fixed: false,
        max_pages: 1_000,
        tokens: types::TokenRange { first: 1, count: 1_000_000 },
        settings: Vec::new(),
        timeout_ms: 30_000,
    };
    let mut conversation = instance(runtime, url).await;
    conversation.open(&endpoint, None, WITHIN).await.unwrap();
    conversation
}

/// Two globs, which keep a quarter of [`candidates`].
pub(crate) fn rules() -> filter::Rules {
    filter::Rules {
        include_services: Vec::new(),
        exclude_services: Vec::new(),
        include_tools: vec!["github_*".to_owned()],
        exclude_tools: vec!["*_delete_*".to_owned()],
        read_only: false,
        no_destructive: false,
        control_tools: false,
        claims: false,
    }
}

/// Of four in turn, one of each kind: another service's or github's, deleting or not.
pub(crate) fn candidates(count: usize) -> Vec<filter::Candidate> {
    (0..count).map(candidate).collect()
}

fn candidate(number: usize) -> filter::Candidate {
    let service = if number.is_multiple_of(2) { "github" } else { "slack" };
    let verb = if number % 4 < 2 { "list" } else { "delete" };
    filter::Candidate {
        name: format!("{service}_{verb}_{number}"),
        service: Some(service.to_owned()),
        attribution: types::Attribution::Declared,
        confidence: types::Confidence::Certain,
        annotations: None,
        title: None,
        description: None,
        input_schema: None,
        meta: None,
        original_name: None,
    }
}

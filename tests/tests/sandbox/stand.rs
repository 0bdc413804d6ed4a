//! Where attacks are tried: one host with small limits, a cooperating server, and what became of it.
//! Takes the name of an attack; gives an [`Outcome`] that expectations are stated on.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use pflow_gateway::{
    Error,
    config::GatewayConfig,
    egress::{Credentials, Egress, EgressFailure, EgressLimits, Resolve},
    runtime::{CodeStore, Conversation, Events, Failure, Limits, Runtime, Source, Stopped, calls, filter, types},
};
use pflow_gateway_base::sync::Mutex;

use super::{Point, guest, server::Server};

/// Longer than every limit: none of the attacks may need it.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// What the host adds to requests, and no component may ever see.
pub(super) const TOKEN: &str = "s3cr3t-0123456789-abcdefghijklmnop";

/// Small enough to be reached soon, large enough for decent work on a busy machine.
pub(super) fn limits() -> Limits {
    Limits {
        memory: 32 << 20,
        table_elements: 10_000,
        cpu: Duration::from_millis(400),
        wall: Duration::from_millis(2_500),
        transfer: 4 << 20,
        handles: 300,
        log: 16 << 10,
        events: 64 << 10,
        stack: 256 << 10,
        ..Limits::default()
    }
}

/// The hostile component, compiled once per process.
pub(super) fn runtime() -> Arc<Runtime> {
    static RUNTIME: OnceLock<Arc<Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let component = guest::component("hostile");
        let code = CodeStore { packaged: None, cache: component.parent().map(|folder| folder.join("code")) };
        Runtime::with(&Source::File(component.clone()), limits(), &code).unwrap()
    });
    Arc::clone(runtime)
}

/// Counts what gets through to whoever listens.
#[derive(Default)]
pub(super) struct RecordedEvents {
    events: AtomicUsize,
    bytes: AtomicUsize,
}

impl Events for RecordedEvents {
    fn progress(&self, _: u32, _: f64, _: Option<f64>, message: Option<String>) {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(message.map_or(0, |m| m.len()), Ordering::Relaxed);
    }

    fn message(&self, _: Option<u32>, _: String, _: Option<String>, data: String) {
        self.events.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(data.len(), Ordering::Relaxed);
    }

    fn tools_changed(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }
}

/// A resolver that knows what the test says, and nothing else.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Arc<Mutex<HashMap<String, Vec<IpAddr>>>>);

impl Names {
    pub(super) fn set(&self, name: &str, address: &str) {
        self.0.lock().insert(name.into(), vec![address.parse().unwrap()]);
    }
}

impl Resolve for Names {
    fn resolve(&self, host: &str) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let found = self.0.lock().get(host).cloned();
        Box::pin(async move { found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name")) })
    }
}

pub(super) struct Stand {
    pub(super) runtime: Arc<Runtime>,
    pub(super) server: Server,
    /// Another server: nothing may ever arrive here.
    pub(super) elsewhere: Server,
    pub(super) names: Names,
}

impl Stand {
    pub(super) async fn new() -> Self {
        Self::with(runtime()).await
    }

    pub(super) async fn with(runtime: Arc<Runtime>) -> Self {
        let elsewhere = Server::start(None).await;
        let server = Server::start(Some(elsewhere.address)).await;
        Self { runtime, server, elsewhere, names: Names::default() }
    }

    pub(super) fn egress(&self, allow: &[&str], paths: &[&str]) -> Egress {
        let mut config = GatewayConfig::for_url(&self.server.url()).unwrap();
        config.allow_origins = allow.iter().map(|origin| origin.parse().unwrap()).collect();
        config.timeout = Duration::from_millis(700);
        config.paths = paths.iter().map(|path| path.parse().unwrap()).collect();
        let mut limits = EgressLimits::default();
        limits.response_body = 1 << 20;
        limits.request_body = 1 << 20;
        limits.requests = 200;
        limits.open = 8;
        let egress = Egress::with_resolver(&config.way_out().unwrap(), &limits, Arc::new(self.names.clone())).unwrap();
        let bearer = format!("Bearer {TOKEN}").into();
        egress.set_credentials(Credentials::none().with(http::header::AUTHORIZATION, &bearer).unwrap());
        egress
    }

    pub(super) fn strike<'a>(&'a self, name: &'a str, point: Point) -> Strike<'a> {
        // Attacks on something else than paths shall get as far as they can.
        Strike { stand: self, name, point, allow: Vec::new(), paths: vec!["/*", "POST /*"], arguments: String::new() }
    }

    /// The host answers a decent conversation, in the same process, with the same runtime.
    pub(super) async fn behaves(&self) {
        let outcome = self.strike("none", Point::Call).run().await;
        assert_eq!(outcome.answer(), "well");
    }

    /// No connection is left, and nobody was reached who was not meant.
    pub(super) async fn is_left_alone(&self) {
        assert_eq!(
            self.elsewhere.seen.connections(),
            0,
            "somebody else was reached: {:?}",
            self.elsewhere.seen.requests()
        );
        for _ in 0..500 {
            if self.server.seen.open() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} connections are left", self.server.seen.open());
    }
}

/// One attack, before it is run.
pub(super) struct Strike<'a> {
    pub(super) stand: &'a Stand,
    name: &'a str,
    point: Point,
    allow: Vec<&'a str>,
    /// What the component may ask of the server, besides its endpoint.
    paths: Vec<&'static str>,
    arguments: String,
}

impl<'a> Strike<'a> {
    /// With nothing but these in `paths`.
    pub(super) fn fenced(mut self, paths: &[&'static str]) -> Self {
        self.paths = paths.to_vec();
        self
    }

    /// These methods and targets, at the server.
    pub(super) fn asking(mut self, asked: &[&str]) -> Self {
        let url = self.stand.server.url();
        let lines = asked.iter().filter_map(|line| line.split_once(' '));
        self.arguments = lines.map(|(method, path)| format!("{method} {url}{path}")).collect::<Vec<_>>().join("\n");
        self
    }

    /// With these origins in `allow_origins`.
    pub(super) fn allow(mut self, origin: &'a str) -> Self {
        self.allow.push(origin);
        self
    }

    /// With these targets.
    pub(super) fn at(mut self, targets: &[&str]) -> Self {
        self.arguments = targets.join("\n");
        self
    }

    pub(super) async fn run(self) -> Outcome {
        let heard = Arc::new(RecordedEvents::default());
        let result = self.attempt(&heard).await;
        let (result, requests, finished) = match result {
            Ok((conversation, result)) => (result, conversation.visit().requests().len(), conversation.finished()),
            Err(failure) => (Err(failure), 0, true),
        };
        Outcome {
            result,
            requests,
            finished,
            events: heard.events.load(Ordering::Relaxed),
            event_bytes: heard.bytes.load(Ordering::Relaxed),
            on_the_wire: self.stand.server.seen.requests(),
        }
    }

    async fn attempt(&self, heard: &Arc<RecordedEvents>) -> Result<(Conversation, Result<String, Failure>), Failure> {
        let events: Arc<dyn Events> = heard.clone();
        let mut conversation =
            Conversation::start(&self.stand.runtime, self.stand.egress(&self.allow, &self.paths), events, PATIENCE)
                .await?;
        if self.point == Point::Select {
            let result =
                conversation.select(&rules(self.name), &[candidate()], PATIENCE).await.map(|v| format!("{v:?}"));
            return Ok((conversation, result));
        }
        let url = format!("{}?attack={}", self.stand.server.url(), self.name);
        let opened = conversation.open(&endpoint(url), None, PATIENCE).await;
        if self.point == Point::Open || opened.is_err() {
            return Ok((conversation, opened.map(|()| "open".into())));
        }
        let result = match self.point {
            Point::Session => conversation.session(PATIENCE).await.map(|session| session.protocol_version),
            Point::Renew => conversation.renew(PATIENCE).await.map(|()| "renewed".into()),
            Point::List => conversation.list_tools(PATIENCE).await.map(|catalog| catalog.tools.len().to_string()),
            Point::Close => conversation.close(PATIENCE).await.map(|()| "closed".into()),
            Point::Check => conversation.check_health(&[], PATIENCE).await.map(|services| services.len().to_string()),
            Point::Cancel => conversation.cancel(1, "enough", PATIENCE).await.map(|()| "cancelled".into()),
            Point::Open | Point::Select | Point::Call => {
                conversation.call_tool(&call(self.arguments.clone()), PATIENCE).await.map(|outcome| outcome.result)
            }
        };
        Ok((conversation, result))
    }
}

/// What became of an attack.
#[derive(Debug)]
pub(super) struct Outcome {
    result: Result<String, Failure>,
    /// Requests that left the sandbox.
    pub(super) requests: usize,
    finished: bool,
    pub(super) events: usize,
    pub(super) event_bytes: usize,
    /// What the server got.
    pub(super) on_the_wire: Vec<String>,
}

impl Outcome {
    /// The guest came to its end; what it had to tell. It saw no credential.
    pub(super) fn answer(&self) -> &str {
        match &self.result {
            Ok(answer) => {
                assert!(!answer.contains(TOKEN), "the component saw the token: {answer}");
                answer
            }
            Err(failure) => panic!("no answer: {failure:?}"),
        }
    }

    /// The host stopped it. Whatever the reason, it is told in one bounded line without control characters, and the instance
    /// is not used again.
    pub(super) fn stopped(&self) -> &Stopped {
        match &self.result {
            Err(Failure::Host(stopped)) => {
                let error = Error::from(stopped.clone());
                let text = format!("{} {}", error.message, error.hint.clone().unwrap_or_default());
                assert!(text.chars().count() < 900, "{} characters", text.chars().count());
                assert!(!text.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)), "{text:?}");
                assert!(!text.contains(TOKEN), "{text}");
                stopped
            }
            other => panic!("the host did not stop it: {other:?}"),
        }
    }

    /// It ran into this limit; the error names it.
    pub(super) fn limit(&self, name: &str) {
        let Stopped::Limit(reached) = self.stopped() else { panic!("no limit: {:?}", self.result) };
        assert!(reached.to_string().contains(&format!("(limit `{name}`)")), "{reached:?}");
        assert!(self.finished, "it is still in use");
    }

    /// It failed by itself; the error has these words.
    pub(super) fn failed(&self, words: &str) {
        let Stopped::Trap { words: said, .. } = self.stopped() else { panic!("no trap: {:?}", self.result) };
        assert!(said.contains(words), "{said}");
    }

    /// What the component itself called an error, and what egress saw.
    pub(super) fn judged(&self) -> (&types::Failure, Option<&EgressFailure>) {
        match &self.result {
            Err(Failure::Gateway(error, seen)) => (error.as_ref(), seen.as_deref()),
            other => panic!("the component did not give an error: {other:?}"),
        }
    }

    /// One line per target in the answer.
    pub(super) fn lines(&self) -> Vec<(String, String)> {
        let lines = self.answer().lines().filter_map(|line| line.split_once(" => "));
        lines.map(|(target, got)| (target.to_owned(), got.to_owned())).collect()
    }
}

pub(super) fn endpoint(url: String) -> types::Endpoint {
    types::Endpoint {
        url,
        kind: None,
        services: Vec::new(),
        client: types::Implementation { name: "tests".into(), version: "0".into() },
        era: None,
        era_is_fixed: false,
        max_pages: 10,
        tokens: types::TokenRange { first: 1, count: 1_000 },
        settings: Vec::new(),
        timeout_ms: 10_000,
    }
}

pub(super) fn call(arguments: String) -> calls::Call {
    calls::Call {
        tool: "attack".into(),
        input_schema: None,
        service: None,
        arguments,
        token: 1_001,
        progress: true,
        meta: None,
    }
}

fn rules(name: &str) -> filter::Rules {
    filter::Rules {
        include_services: Vec::new(),
        exclude_services: Vec::new(),
        include_tools: vec![name.into()],
        exclude_tools: Vec::new(),
        read_only: false,
        no_destructive: false,
        control_tools: false,
        claims: false,
    }
}

fn candidate() -> filter::Candidate {
    filter::Candidate {
        name: "attack".into(),
        service: None,
        attribution: types::Attribution::None,
        confidence: types::Confidence::None,
        annotations: None,
        title: None,
        description: None,
        input_schema: None,
        meta: None,
        original_name: None,
    }
}

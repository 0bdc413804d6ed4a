//! What each part costs by itself, measured by Criterion: an instance, the boundary, the filter, attribution, JSON, event streams, the way out,
//! and the sealing of sessions.
//! Takes Criterion's own flags; prints its own lines. Never judges, and never measures the start of a process: that is `inner`'s.
//!
//! What is private to a crate is measured by the public way nearest to it.

#![expect(clippy::unwrap_used, reason = "a measurement that fails stops")]
// Dependencies of the tests in this package.
#![allow(unused_crate_dependencies, clippy::allow_attributes, reason = "one package of tests, several programs")]

#[path = "../inner/sandbox.rs"]
mod sandbox;
mod server;

use std::{hint::black_box, sync::Arc};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use http_body_util::{BodyExt as _, Full};
use pflow_gateway::{
    egress::Visit,
    runtime::{CodeStore, Runtime, calls, filter},
};
use pflow_gateway_component::{
    catalog,
    gateways::{self, Report},
    mcp::{json_rpc, paging::Listing, sse, tools},
    model::{DeclaredService, Era, Kind},
};
use pflow_gateway_front::{
    seal::{Keys, NONCE, Sealed},
    upstream::Session,
};
use serde_json::json;

use self::sandbox::{WITHIN, candidates, current_thread, egress, instance, opened, rules};

/// Tools of the largest catalogue.
const MANY: usize = 100_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    within_the_sandbox(&mut criterion);
    attribution(&mut criterion);
    catalogues(&mut criterion);
    event_streams(&mut criterion);
    the_way_out(&mut criterion);
    sessions(&mut criterion);
    criterion.final_summary();
}

/// An instance; calls by the size of their answers, a list and the filter, each in an instance that stands.
fn within_the_sandbox(criterion: &mut Criterion) {
    let threads = current_thread();
    let runtime: Arc<Runtime> = sandbox::runtime(&CodeStore::default());
    let url = server::serve(1_000, 100);

    let mut group = criterion.benchmark_group("sandbox");
    group.bench_function("instance", |bencher| bencher.iter(|| threads.block_on(instance(&runtime, &url))));

    for (size, name) in [(1_000, "1 kB"), (64_000, "64 kB"), (1_000_000, "1 MB")] {
        let mut conversation = threads.block_on(opened(&runtime, &url));
        let call = calls::Call {
            tool: size.to_string(),
            arguments: "{}".to_owned(),
            token: 1,
            progress: false,
            input_schema: None,
            service: None,
            meta: None,
        };
        group.throughput(Throughput::Bytes(size));
        group.bench_function(format!("call/{name}"), |bencher| {
            bencher.iter(|| {
                let outcome = threads.block_on(conversation.call_tool(&call, WITHIN)).unwrap();
                assert!(outcome.result.len() as u64 > size, "the whole answer");
                outcome
            });
        });
    }

    group.throughput(Throughput::Elements(1_000));
    group.bench_function("list/1,000 in 10 pages", |bencher| {
        // Its ids are counted, and are used up some day.
        bencher.iter_batched_ref(
            || threads.block_on(opened(&runtime, &url)),
            |conversation| {
                let catalog = threads.block_on(conversation.list_tools(WITHIN)).unwrap();
                assert_eq!(catalog.tools.len(), 1_000);
                catalog
            },
            BatchSize::PerIteration,
        );
    });

    let candidates = candidates(MANY);
    let none = filter::Rules { include_tools: Vec::new(), exclude_tools: Vec::new(), ..rules() };
    group.throughput(Throughput::Elements(MANY as u64)).sample_size(10);
    for (name, rules, kept) in [("with two globs", rules(), MANY / 4), ("without rules", none, MANY)] {
        group.bench_function(format!("filter/100,000 {name}"), |bencher| {
            bencher.iter_batched_ref(
                || threads.block_on(instance(&runtime, &url)),
                |conversation| {
                    let verdicts = threads.block_on(conversation.select(&rules, &candidates, WITHIN)).unwrap();
                    assert_eq!(verdicts.iter().filter(|verdict| verdict.is_none()).count(), kept, "kept");
                    verdicts
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// The component's logic, natively: which service each tool is from, and what is odd about the list.
fn attribution(criterion: &mut Criterion) {
    let service = |name: &str| DeclaredService { name: name.to_owned(), prefix: None, tools: Vec::new() };
    let declared = ["github", "slack", "lab"].map(service);
    let page = json!({"tools": (0..MANY).map(server::tool).collect::<Vec<_>>()}).to_string();
    let tools = tools::read(&page, Era::Legacy).unwrap().tools;
    let mut group = criterion.benchmark_group("attribution");
    group.throughput(Throughput::Elements(MANY as u64)).sample_size(10);
    group.bench_function("100,000", |bencher| {
        bencher.iter_batched(
            || Listing { tools: tools.clone(), pages: 1, ..Listing::default() },
            |listing| {
                let product = gateways::product(Kind::Generic);
                let catalog = catalog::build(listing, Report::default(), product, &declared);
                assert!(catalog.tools.iter().all(|tool| tool.provenance.service.as_deref() == Some("github")));
                catalog
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// The component's logic, natively: a page of 100 tools as a message, and as tools.
fn catalogues(criterion: &mut Criterion) {
    let page = json!({"tools": (0..100).map(server::tool).collect::<Vec<_>>(), "nextCursor": "1"}).to_string();
    let message = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{page}}}"#);
    let mut group = criterion.benchmark_group("json");
    group.throughput(Throughput::Bytes(message.len() as u64));
    group.bench_function("a page as a message", |bencher| {
        bencher.iter(|| json_rpc::read(black_box(&message)).unwrap().len());
    });
    group.bench_function("a page as 100 tools", |bencher| {
        bencher.iter(|| {
            let page = tools::read(black_box(&page), Era::Legacy).unwrap();
            assert_eq!((page.tools.len(), page.warnings.len()), (100, 0));
            page
        });
    });
    group.finish();
}

/// The component's logic, natively: an event stream of a megabyte, in chunks as a socket gives them.
fn event_streams(criterion: &mut Criterion) {
    const EVENTS: usize = 1_000;
    let data = "a".repeat(1_000);
    let event = format!("event: message\nid: 7\ndata: {{\"jsonrpc\":\"2.0\",\"params\":\"{data}\"}}\n\n");
    let stream = event.repeat(EVENTS);
    let mut group = criterion.benchmark_group("sse");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("1,000 events of 1 kB", |bencher| {
        bencher.iter(|| {
            let mut parser = sse::Parser::new();
            let events: usize = stream.as_bytes().chunks(16 << 10).map(|chunk| parser.push(chunk).len()).sum();
            assert_eq!(events, EVENTS);
        });
    });
    group.finish();
}

/// One call by the host's way out, on a connection that is kept.
fn the_way_out(criterion: &mut Criterion) {
    let threads = current_thread();
    let url = server::serve(1, 1);
    let way = egress(&url);
    let ask = |asked: Bytes| {
        threads.block_on(async {
            let body = Full::new(asked).map_err(|never| match never {}).boxed_unsync();
            let request = http::Request::post(&url).header("content-type", "application/json");
            let answer = way.send(request.body(body).unwrap(), None, &Arc::new(Visit::new())).await.unwrap();
            answer.into_body().collect().await.unwrap().to_bytes()
        })
    };
    // A call goes out on a connection that was used before only where it was seen that the server keeps it.
    for _ in 0..3 {
        ask(Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#));
    }
    let mut group = criterion.benchmark_group("egress");
    for (size, name) in [(1_000, "1 kB"), (1_000_000, "1 MB")] {
        let asked = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": size.to_string()}});
        let asked = Bytes::from(asked.to_string());
        group.throughput(Throughput::Bytes(size));
        group.bench_function(format!("call/{name}"), |bencher| {
            bencher.iter(|| {
                let answer = ask(asked.clone());
                assert!(answer.len() as u64 > size, "the whole answer");
                answer
            });
        });
    }
    group.finish();
}

/// The service's: a session that is sealed into its id, and opened again.
fn sessions(criterion: &mut Criterion) {
    const NOW: u64 = 1_800_000_000;
    let keys = Keys::read(Some("07".repeat(32))).unwrap();
    let sealed = Sealed {
        gateway: "work".to_owned(),
        client: "alice".to_owned(),
        since: NOW,
        version: "2025-11-25".to_owned(),
        // As long as the component's are.
        session: Session { state: vec![b'x'; 300] },
    };
    let nonce = [9; NONCE];
    let id = keys.seal(&sealed, nonce).unwrap();
    let mut group = criterion.benchmark_group("session");
    group.bench_function("seal", |bencher| bencher.iter(|| keys.seal(black_box(&sealed), nonce).unwrap()));
    group.bench_function("open", |bencher| {
        bencher.iter(|| {
            let opened = keys.open(black_box(&id), NOW).unwrap();
            assert_eq!(opened.since, NOW);
            opened
        });
    });
    group.finish();
}

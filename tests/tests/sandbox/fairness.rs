//! A component that computes without end takes time from nobody but itself.
//! Compares durations of one run with each other; never with a clock on the wall.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pflow_gateway::runtime::{CodeStore, Conversation, Failure, LimitReached, Limits, Runtime, Source, Stopped};
use tokio::task::JoinSet;

use super::{
    guest,
    stand::{PATIENCE, RecordedEvents, Stand, call, endpoint, limits},
};

fn runtime(limits: Limits) -> Arc<Runtime> {
    let component = guest::component("hostile");
    let code = CodeStore { packaged: None, cache: component.parent().map(|folder| folder.join("code")) };
    Runtime::with(&Source::File(component.clone()), limits, &code).unwrap()
}

async fn converse(stand: &Stand, attack: &str, targets: &str) -> Result<String, Failure> {
    let mut conversation =
        Conversation::start(&stand.runtime, stand.egress(&[], &["/x"]), Arc::new(RecordedEvents::default()), PATIENCE)
            .await?;
    conversation.open(&endpoint(format!("{}?attack={attack}", stand.server.url())), None, PATIENCE).await?;
    conversation.call_tool(&call(targets.into()), PATIENCE).await.map(|outcome| outcome.result)
}

/// Fifty conversations side by side, five requests each. How long they took.
async fn fifty(stand: &Arc<Stand>) -> Duration {
    let started = Instant::now();
    let mut all = JoinSet::new();
    let targets = vec![format!("{}/x", stand.server.url()); 5].join("\n");
    for _ in 0..50 {
        let (stand, targets) = (Arc::clone(stand), targets.clone());
        // The attack fetches what it is told to; these targets are the gateway's own.
        all.spawn(async move { converse(&stand, "other_host", &targets).await.unwrap() });
    }
    while let Some(answer) = all.join_next().await {
        assert_eq!(answer.unwrap().matches("status: 200").count(), 5);
    }
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_conversations_go_on_while_one_component_spins() {
    let stand = Arc::new(Stand::with(runtime(Limits { cpu: PATIENCE, wall: PATIENCE, ..limits() })).await);
    fifty(&stand).await;
    let alone = fifty(&stand).await;
    let spinner = tokio::spawn({
        let stand = Arc::clone(&stand);
        async move { converse(&stand, "spin_in_call_tool", "").await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let beside = fifty(&stand).await;
    assert!(!spinner.is_finished(), "it ended before the others: nothing was shown");
    // Two threads, one of them shared with the spinner in turns of 5 ms.
    assert!(beside < alone * 8 + Duration::from_secs(1), "{beside:?} instead of {alone:?}");
    // Dropping a conversation in the middle of guest code is fine.
    spinner.abort();
    assert!(spinner.await.unwrap_err().is_cancelled());
    stand.behaves().await;
}

/// Each of them gets a turn of 5 ms and waits for the others: what counts is what it computed, not how often it was seen.
#[tokio::test]
async fn a_crowd_of_spinning_components_does_not_hide_from_the_cpu_limit() {
    let limits = Limits { cpu: Duration::from_millis(50), wall: PATIENCE, ..limits() };
    let stand = Arc::new(Stand::with(runtime(limits)).await);
    let started = Instant::now();
    let mut crowd = JoinSet::new();
    for _ in 0..20 {
        let stand = Arc::clone(&stand);
        crowd.spawn(async move { converse(&stand, "spin_in_call_tool", "").await });
    }
    while let Some(end) = crowd.join_next().await {
        match end.unwrap() {
            Err(Failure::Host(Stopped::Limit(LimitReached::Cpu(_)))) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(started.elapsed() < PATIENCE / 2, "{:?} for 20 times 50 ms", started.elapsed());
}

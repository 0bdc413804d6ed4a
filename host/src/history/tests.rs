#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test that cannot go on shall stop"
)]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    process::{Command, Stdio},
};

use super::*;
use crate::{
    Class, Error,
    report::{Call, GatewayHealth, ServiceHealth, Status},
};

const URL: &str = "http://127.0.0.1:1/mcp";

fn look(status: Status) -> GatewayHealth {
    let mut health = GatewayHealth::new("gw", if is_well(status) { Status::Ok } else { Status::Degraded }, "");
    health.tools = Some(1);
    health.latency_ms = Some(12.0);
    let mut service = ServiceHealth::new("s", status, 1);
    service.evidence.push(format!("it is {status}"));
    health.services.push(service);
    health
}

fn seen() -> Seen {
    Seen { tools: Some(vec![SnapshotTool { name: "s_t".into(), service: Some("s".into()) }]), ..Seen::default() }
}

/// Judges and records, as a look does; and what is news to a watcher that is always there.
fn record(history: &History, health: GatewayHealth, seen: &Seen, now: Moment) -> (GatewayHealth, Vec<Transition>) {
    let health = unwatched(history, health, seen, now);
    let news = Watcher::passing(history.clone(), "tests", Floor::Degraded).tell(&health, now);
    (health, news)
}

/// The same, as `health` by hand does it.
fn unwatched(history: &History, mut health: GatewayHealth, seen: &Seen, now: Moment) -> GatewayHealth {
    let verdict = judge(&mut health, seen, &history.known("gw"), now);
    history.record(&mut health, URL, seen, &verdict, now);
    health
}

fn at(seconds: i64) -> Moment {
    Moment::from_millis(1_795_400_000_000 + seconds * 1_000)
}

fn services(transitions: &[Transition]) -> Vec<(Option<Status>, Status, bool)> {
    transitions.iter().filter(|t| t.service.is_some()).map(|t| (t.from, t.to, t.announced)).collect()
}

#[test]
fn a_state_is_remembered_with_since_when() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    let (first, transitions) = record(&history, look(Status::Ok), &seen(), at(0));
    assert_eq!(first.services[0].since.as_deref(), Some(at(0).rfc3339().as_str()), "{:?}", history.why_off());
    assert_eq!(services(&transitions), [], "a good first look is no news");
    let (_, transitions) = record(&history, look(Status::Ok), &seen(), at(30));
    assert!(transitions.is_empty());
    let (down, transitions) = record(&history, look(Status::Offline), &seen(), at(60));
    assert_eq!(services(&transitions), [(Some(Status::Ok), Status::Offline, true)]);
    assert_eq!(down.services[0].since.as_deref(), Some(at(60).rfc3339().as_str()));
    assert_eq!(down.since.as_deref(), Some(at(60).rfc3339().as_str()), "the gateway is degraded since then");
    let (down, _) = record(&history, look(Status::Offline), &seen(), at(600));
    assert_eq!(down.services[0].since.as_deref(), Some(at(60).rfc3339().as_str()));
    // Another process reads it, and asks nobody.
    let last = History::new(folder.path()).last("gw", at(660)).unwrap();
    assert_eq!((last.status, last.age_seconds), (Status::Degraded, 60));
    assert_eq!((last.services[0].status, last.services[0].since), (Status::Offline, at(60)));
    assert_eq!(last.services[0].evidence, "it is offline");
    let history = history.since("gw", at(0), at(660), 4).unwrap();
    assert_eq!(history.uptime, Some(1.0), "degraded is up in part");
    assert_eq!(history.services[0].uptime, Some(0.5));
}

#[test]
fn a_service_that_is_down_at_the_first_look_is_news() {
    let folder = tempfile::tempdir().unwrap();
    let (_, transitions) = record(&History::new(folder.path()), look(Status::Offline), &seen(), at(0));
    assert_eq!(services(&transitions), [(None, Status::Offline, true)]);
}

#[test]
fn going_to_and_fro_is_told_thrice_and_then_once_it_settles_and_every_change_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    record(&history, look(Status::Ok), &seen(), at(0));
    let mut told = Vec::new();
    for n in 1..20 {
        let status = if n % 2 == 1 { Status::Offline } else { Status::Ok };
        told.extend(services(&record(&history, look(status), &seen(), at(n * 10)).1));
    }
    assert_eq!(told.len(), 3);
    let kept = history.transitions_after(0).iter().filter(|change| change.service.is_some()).count();
    assert_eq!(kept, 20, "every change is kept");
    // It was told as down at change 3, and stays down: nothing more to tell. Then it is well for good.
    let mut told = Vec::new();
    for n in 20..40 {
        let (_, transitions) = record(&history, look(Status::Ok), &seen(), at(n * 10));
        told.extend(transitions.into_iter().filter(|t| t.service.is_some()));
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].from, told[0].to, told[0].settled), (Some(Status::Offline), Status::Ok, true));
    assert_eq!(told[0].held_back, 16);
}

#[test]
fn a_week_of_flapping_makes_a_bounded_number_of_alerts_though_the_monitor_is_started_again_and_again() {
    const EVERY: i64 = 120;
    let folder = tempfile::tempdir().unwrap();
    let monitor = || Watcher::lasting(History::new(folder.path()), "monitor", Floor::Degraded);
    let mut watcher = monitor();
    let mut told: Vec<Transition> = Vec::new();
    let week = 7 * 86_400 / EVERY;
    // Down for some looks and up for some, whatever the hour; in the end it stays down.
    for n in 0..week + 60 {
        if n % 97 == 96 {
            drop(watcher);
            watcher = monitor();
        }
        let down = n >= week || (n / (1 + n / 700)) % 2 == 1;
        let news = watcher.tell(&look(if down { Status::Offline } else { Status::Ok }), at(n * EVERY));
        for change in &news {
            watcher.delivered(change.id);
        }
        told.extend(news.into_iter().filter(|change| change.service.is_some()));
    }
    assert!(told.len() > 7 && told.len() <= 7 * 32, "{}", told.len());
    let first = told.first().unwrap();
    assert_eq!((first.at, first.from, first.to, first.settled), (at(EVERY), Some(Status::Ok), Status::Offline, false));
    assert_eq!(told.last().map(|change| change.to), Some(Status::Offline), "it stays down");
    assert!(told.windows(2).all(|pair| pair[1].from == Some(pair[0].to)), "each from what was told before");
    assert!(watcher.undelivered().is_empty());
}

#[test]
fn a_look_by_hand_and_another_watcher_take_no_news_from_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    let watcher = |role: &str| Watcher::passing(History::new(folder.path()), role, Floor::Degraded);
    let (one, two) = (watcher("one"), watcher("two"));
    let health = unwatched(&history, look(Status::Ok), &seen(), at(0));
    assert!(one.tell(&health, at(0)).is_empty() && two.tell(&health, at(0)).is_empty());
    // Somebody types `health` during the outage, again and again, before anybody else looks.
    for second in 1..30 {
        unwatched(&history, look(Status::Offline), &seen(), at(second));
    }
    let health = unwatched(&history, look(Status::Offline), &seen(), at(30));
    for watcher in [&one, &two] {
        assert_eq!(services(&watcher.tell(&health, at(30))), [(Some(Status::Ok), Status::Offline, true)]);
        assert!(watcher.tell(&health, at(31)).is_empty(), "told once");
    }
    // What it was told it knows when it is started again; another one begins anew.
    assert!(watcher("one").tell(&health, at(40)).is_empty());
    assert_eq!(services(&watcher("three").tell(&health, at(40))), [(None, Status::Offline, true)]);
    let health = unwatched(&history, look(Status::Ok), &seen(), at(50));
    assert_eq!(services(&watcher("one").tell(&health, at(50))), [(Some(Status::Offline), Status::Ok, true)]);
}

#[test]
fn an_alert_waits_until_it_came_through_even_beyond_the_end_of_its_watcher() {
    let folder = tempfile::tempdir().unwrap();
    let watcher = || Watcher::lasting(History::new(folder.path()), "one", Floor::Degraded);
    let first = watcher();
    first.tell(&look(Status::Ok), at(0));
    let told = first.tell(&look(Status::Offline), at(10));
    assert_eq!((told.len(), first.undelivered()), (2, told.clone()));
    first.delivered(told[0].id);
    drop(first);
    let second = watcher();
    assert_eq!(second.undelivered(), told[1..], "the same alert, with the same number");
    second.delivered(told[1].id);
    assert!(second.undelivered().is_empty());
}

#[test]
fn watchers_alike_that_run_at_once_remember_apart_and_keep_their_seats() {
    let folder = tempfile::tempdir().unwrap();
    let watcher = || Watcher::lasting(History::new(folder.path()), "alike", Floor::Degraded);
    let down = look(Status::Offline);
    let (first, second) = (watcher(), watcher());
    assert_eq!((first.tell(&down, at(0)).len(), second.tell(&down, at(0)).len()), (2, 2));
    drop(first);
    let again = watcher();
    assert!(again.tell(&down, at(10)).is_empty() && second.tell(&down, at(10)).is_empty());
    assert_eq!(watcher().tell(&down, at(10)).len(), 2, "a third one is a new one");
}

#[test]
fn without_a_history_a_watcher_is_told_all_the_same() {
    let history = History::off("there is no home folder");
    let watcher = Watcher::lasting(history, "one", Floor::Degraded);
    assert!(watcher.tell(&look(Status::Ok), at(0)).is_empty());
    let ids: Vec<i64> = [Status::Offline, Status::Ok]
        .iter()
        .flat_map(|status| watcher.tell(&look(*status), at(10)))
        .map(|change| change.id)
        .collect();
    assert!(ids.len() == 4 && ids.is_sorted_by(|one, two| one < two), "{ids:?}");
    // Nobody has such a number, neither in a file nor in another process that began to count.
    assert!(ids.iter().all(|id| *id >= at(10).millis() * 1_000), "{ids:?}");
}

#[test]
fn a_change_is_told_once_though_others_write_for_longer_than_a_look_waits() {
    let folder = tempfile::tempdir().unwrap();
    let watcher = || Watcher::passing(History::new(folder.path()).patient(), "cron", Floor::Degraded);
    assert!(watcher().tell(&look(Status::Ok), at(0)).is_empty());
    for (second, status) in [(10, Status::Offline), (20, Status::Ok)] {
        let other = Connection::open(folder.path().join("gateway/history.db")).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let release = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(3_500));
            other.execute_batch("COMMIT").unwrap();
        });
        let one = watcher();
        let told = one.tell(&look(status), at(second));
        release.join().unwrap();
        assert_eq!(told.len(), 2, "{told:?}");
        for change in &told {
            one.delivered(change.id);
        }
        drop(one);
        let next = watcher();
        assert!(next.tell(&look(status), at(second + 1)).is_empty(), "the next one knows that it was told");
        assert!(next.undelivered().is_empty());
    }
}

#[test]
fn a_run_that_was_ended_leaves_its_alerts_to_the_next_and_two_at_once_do_not_hand_over_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let watcher = || Watcher::passing(History::new(folder.path()), "cron", Floor::Degraded);
    let ended = watcher();
    ended.tell(&look(Status::Ok), at(0));
    let told = ended.tell(&look(Status::Offline), at(10));
    assert!(watcher().undelivered().is_empty(), "whoever told them is still at it");
    drop(ended);
    let next = watcher();
    assert!(next.tell(&look(Status::Offline), at(20)).is_empty());
    assert_eq!(next.undelivered(), told);
    assert!(watcher().undelivered().is_empty(), "one at a time");
}

#[test]
fn watchers_that_are_gone_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    let watcher = |role: &str| Watcher::passing(history.clone(), role, Floor::Degraded);
    watcher("gone").tell(&look(Status::Offline), at(0));
    let rows = || -> i64 {
        history
            .with(|c| {
                c.query_row("SELECT (SELECT count(*) FROM told) + (SELECT count(*) FROM alerts)", [], |row| row.get(0))
            })
            .unwrap()
    };
    let (week, before) = (7 * 86_400, rows());
    watcher("here").tell(&look(Status::Ok), at(week - 10));
    assert_eq!(rows(), before + 2);
    watcher("here").tell(&look(Status::Ok), at(week + 10));
    assert_eq!(rows(), 2, "only what the one was told that is here");
}

#[test]
fn a_failed_call_makes_the_service_degraded_before_anybody_looks() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    record(&history, look(Status::Ok), &seen(), at(0));
    let call = Call {
        gateway: "gw".into(),
        tool: "s_t".into(),
        service: Some("s".into()),
        ok: false,
        result: None,
        error: Some(
            Error::new(Class::UpstreamError, "the service s failed: All connection attempts failed")
                .with_service(Some("s".into())),
        ),
    };
    let (service, result) = CallResult::of(&call).unwrap();
    history.record_call("gw", &service, &result, at(5));
    let last = history.last_service("gw", "s", at(6)).unwrap();
    assert_eq!((last.status, last.since), (Status::Degraded, at(5)));
    // The gateway still calls it well: they disagree, and since when it is so stays.
    let (health, transitions) = record(&history, look(Status::Ok), &seen(), at(10));
    assert_eq!((health.status, health.services[0].status), (Status::Degraded, Status::Degraded));
    assert_eq!(health.services[0].since.as_deref(), Some(at(5).rfc3339().as_str()));
    assert!(health.services[0].evidence.iter().any(|words| words.contains("signals disagree")), "{health:?}");
    assert_eq!(services(&transitions), [(Some(Status::Ok), Status::Degraded, true)], "the watcher was not told yet");
    // The gateway notices, and later sees it again: forgiven.
    record(&history, look(Status::Offline), &seen(), at(20));
    let (health, _) = record(&history, look(Status::Ok), &seen(), at(30));
    assert_eq!(health.services[0].status, Status::Ok, "{health:?}");
    let (health, _) = record(&history, look(Status::Ok), &seen(), at(40));
    assert_eq!((health.services[0].status, health.services[0].evidence.len()), (Status::Ok, 1), "{health:?}");
}

#[test]
fn a_failed_call_fades_within_a_minute_and_a_good_one_heals_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    let failed = CallResult::Failed { status: Status::UpstreamError, message: "dial tcp".into() };
    let last = |second| {
        let last = history.last("gw", at(second)).unwrap();
        (last.status, last.services[0].status)
    };
    // A gateway that says nothing of its services.
    record(&history, look(Status::Unknown), &seen(), at(0));
    history.record_call("gw", "s", &failed, at(5));
    assert_eq!(last(6), (Status::Ok, Status::Degraded));
    let (health, _) = record(&history, look(Status::Unknown), &seen(), at(10));
    assert_eq!((health.status, health.services[0].status), (Status::Degraded, Status::Degraded));
    assert_eq!(last(64), (Status::Degraded, Status::Degraded));
    // Nobody looks any more, and it fades all the same; who looks sees it, too.
    assert_eq!(last(66), (Status::Ok, Status::Unknown));
    let (health, _) = record(&history, look(Status::Unknown), &seen(), at(70));
    assert_eq!((health.status, health.services[0].status), (Status::Ok, Status::Unknown), "{health:?}");
    // A second failure begins the minute anew; a good call ends it.
    history.record_call("gw", "s", &failed, at(100));
    record(&history, look(Status::Unknown), &seen(), at(110));
    history.record_call("gw", "s", &failed, at(150));
    assert_eq!(last(170).1, Status::Degraded);
    history.record_call("gw", "s", &CallResult::Answered, at(171));
    assert_eq!(last(172), (Status::Ok, Status::Unknown));
    let (health, _) = record(&history, look(Status::Unknown), &seen(), at(173));
    assert_eq!((health.status, health.services[0].status), (Status::Ok, Status::Ok), "{health:?}");
}

#[test]
fn a_good_call_clears_failed_ones() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    record(&history, look(Status::Ok), &seen(), at(0));
    let failed = CallResult::Failed { status: Status::Timeout, message: "too slow".into() };
    history.record_call("gw", "s", &failed, at(1));
    history.record_call("gw", "s", &failed, at(2));
    assert_eq!(history.known("gw").calls["s"].failures, 2);
    history.record_call("gw", "s", &CallResult::Answered, at(3));
    assert_eq!(history.known("gw").calls["s"].failures, 0);
    assert_eq!(record(&history, look(Status::Ok), &seen(), at(4)).0.services[0].status, Status::Ok);
}

#[test]
fn calls_that_say_nothing_of_a_service_are_not_held_against_it() {
    let call = |error: Option<Error>, result: bool| Call {
        gateway: "gw".into(),
        tool: "t".into(),
        service: Some("s".into()),
        ok: error.is_none(),
        result: result.then(|| serde_json::json!({}).into()),
        error,
    };
    for class in [
        Class::Config,
        Class::Unreachable,
        Class::Dns,
        Class::EgressDenied,
        Class::AuthRequired,
        Class::Limit,
        Class::Component,
    ] {
        assert_eq!(CallResult::of(&call(Some(Error::new(class, "no")), false)), None, "{class:?}");
    }
    assert_eq!(CallResult::of(&call(None, true)), Some(("s".to_owned(), CallResult::Answered)));
    // An error of the tool's own is an answer.
    let own = Call { ok: false, ..call(None, true) };
    assert_eq!(CallResult::of(&own), Some(("s".to_owned(), CallResult::Answered)));
}

#[test]
fn a_failed_call_of_a_tool_of_no_known_service_degrades_the_gateway_until_that_tool_answers() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    let unattributed = Seen { tools: Some(vec![SnapshotTool { name: "t".into(), service: None }]), ..Seen::default() };
    record(&history, look(Status::Ok), &unattributed, at(0));
    let call = |error: Option<Error>| Call {
        gateway: "gw".into(),
        tool: "t".into(),
        service: None,
        ok: error.is_none(),
        result: error.is_none().then(|| serde_json::json!({}).into()),
        error,
    };
    let failed = Error::new(Class::UpstreamError, "a service behind the gateway cannot be reached: dial tcp");
    let (about, result) = CallResult::of(&call(Some(failed))).unwrap();
    history.record_call("gw", &about, &result, at(5));
    assert_eq!(history.last("gw", at(5)).unwrap().status, Status::Degraded);
    let (health, _) = record(&history, look(Status::Ok), &unattributed, at(10));
    assert_eq!(health.status, Status::Degraded);
    assert!(
        health.warnings.iter().any(|words| words.contains("a call to t, of no known service, failed")),
        "{health:?}"
    );
    let (about, result) = CallResult::of(&call(None)).unwrap();
    history.record_call("gw", &about, &result, at(15));
    assert_eq!(record(&history, look(Status::Ok), &unattributed, at(20)).0.status, Status::Ok);
}

#[test]
fn a_good_catalogue_stays_until_it_is_whole_again_or_the_user_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    let two = |names: &[&str]| Seen {
        tools: Some(
            names.iter().map(|n| SnapshotTool { name: format!("{n}_t"), service: Some((*n).into()) }).collect(),
        ),
        ..Seen::default()
    };
    let gateway = |names: &[&str]| {
        let mut health = GatewayHealth::new("gw", Status::Ok, "");
        health.tools = Some(names.len());
        health.services = names.iter().map(|name| ServiceHealth::new(*name, Status::Ok, 1)).collect();
        health
    };
    record(&history, gateway(&["a", "b"]), &two(&["a", "b"]), at(0));
    for n in 1..4 {
        let (health, _) = record(&history, gateway(&["a"]), &two(&["a"]), at(n * 60));
        assert_eq!(
            (health.vanished.as_slice(), health.vanished_tools.as_slice()),
            (&["b".to_owned()][..], &["b_t".to_owned()][..])
        );
        assert_eq!(health.services[1].since.as_deref(), Some(at(60).rfc3339().as_str()));
    }
    // Half of a list is nothing that anybody could accept.
    let half = Seen { cut: true, ..two(&[]) };
    record(&history, gateway(&[]), &half, at(250));
    let difference = history.difference("gw").unwrap();
    assert_eq!((difference.gone.len(), difference.new.len(), difference.good_at), (1, 0, Some(at(0))));
    assert_eq!(history.accept("gw", at(300)), Some(1));
    assert!(history.snapshot("gw").unwrap().accepted);
    let (health, _) = record(&history, gateway(&["a"]), &two(&["a"]), at(360));
    assert_eq!((health.status, health.vanished.len(), health.services.len()), (Status::Ok, 0, 1), "{health:?}");
    assert_eq!(history.last("gw", at(361)).unwrap().services.len(), 1);
    // What is new joins by itself.
    let (health, _) = record(&history, gateway(&["a", "c"]), &two(&["a", "c"]), at(420));
    assert_eq!(health.appeared, ["c"]);
    let (health, _) = record(&history, gateway(&["a", "c"]), &two(&["a", "c"]), at(480));
    assert!(health.appeared.is_empty());
}

#[test]
fn another_url_under_the_same_name_is_another_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    record(&history, look(Status::Offline), &seen(), at(0));
    let mut health = look(Status::Ok);
    history.record(&mut health, "http://other/mcp", &seen(), &Verdict::default(), at(10));
    assert_eq!(health.services[0].since.as_deref(), Some(at(10).rfc3339().as_str()));
}

#[test]
fn keys_in_urls_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    let mut health = look(Status::Ok);
    health.error = Some(Error::new(Class::Unreachable, "https://h/mcp?api_key=S3CRET is away"));
    history.record(&mut health, "https://h/mcp?api_key=S3CRET", &seen(), &Verdict::default(), at(0));
    assert!(history.why_off().is_none());
    drop(history);
    let mut all = Vec::new();
    for file in fs::read_dir(folder.path().join("gateway")).unwrap() {
        fs::File::open(file.unwrap().path()).unwrap().read_to_end(&mut all).unwrap();
    }
    let text = String::from_utf8_lossy(&all);
    assert!(text.contains("is away") && !text.contains("S3CRET"));
}

#[test]
fn a_clock_that_jumps_changes_neither_order_nor_makes_ages_negative() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    let (far, back) = (at(50 * 365 * 86_400), at(-365 * 86_400));
    for (n, now) in [at(0), far, back, at(10)].into_iter().enumerate() {
        let (health, _) = record(&history, look(if n % 2 == 0 { Status::Ok } else { Status::Offline }), &seen(), now);
        assert_eq!(history.transitions_after(0).iter().filter(|t| t.service.is_some()).count(), n + 1);
        assert!(health.services[0].since.is_some(), "{:?}", history.why_off());
    }
    // The same state, an earlier clock: it did not begin in the future.
    let (health, _) = record(&history, look(Status::Offline), &seen(), back);
    assert_eq!(health.services[0].since.as_deref(), Some(back.rfc3339().as_str()));
    assert_eq!(history.last("gw", back).unwrap().age_seconds, 0);
    let ids: Vec<_> = history.transitions_after(0).iter().map(|t| t.id).collect();
    assert!(ids.is_sorted() && ids.len() >= 4);
    for n in 0..450 {
        record(&history, look(Status::Ok), &seen(), if n % 2 == 0 { far } else { back });
    }
    assert!(history.since("gw", back, far, 96).is_some() && history.why_off().is_none());
    assert!(!history.transitions_after(0).is_empty(), "clean-up leaves the newest, whatever the clock says");
}

#[test]
fn services_that_are_made_up_at_every_look_cost_a_bounded_amount() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    let watcher = Watcher::passing(history.clone(), "one", Floor::Degraded);
    let mut sizes = Vec::new();
    for n in 0..12 {
        let mut health = GatewayHealth::new("gw", Status::Ok, "");
        health.tools = Some(1);
        health.services = (0..5_000)
            .map(|service| ServiceHealth::new(format!("{n}-{service}-{}", "x".repeat(100)), Status::Ok, 0))
            .collect();
        health.services.push(ServiceHealth::new("y".repeat(300), Status::Ok, 0));
        let health = unwatched(&history, health, &seen(), at(n));
        watcher.tell(&health, at(n));
        assert_eq!((health.services.len(), health.warnings.len()), (500, 2), "{:?}", health.warnings);
        let rows: i64 = history
            .with(|c| {
                c.query_row(
                    "SELECT (SELECT count(*) FROM states) + (SELECT count(*) FROM slots) + (SELECT count(*) FROM told)",
                    [],
                    |row| row.get(0),
                )
            })
            .unwrap();
        sizes.push(rows);
    }
    assert!(sizes.iter().all(|rows| *rows <= 3 * 1_002), "{sizes:?}");
    let size = fs::metadata(history.path().unwrap()).unwrap().len();
    assert!(size < 12 * 1_024 * 1_024, "{size}");
}

#[test]
fn a_large_history_is_halved() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    unwatched(&history, look(Status::Ok), &seen(), at(0));
    history
        .with(|c| {
            c.execute_batch(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
                 INSERT INTO transitions (at, gateway, service, went_to, reason, announced)
                 SELECT 1795400000000, 'gw', '', 'ok', hex(zeroblob(3500)), 0 FROM n",
            )
        })
        .unwrap();
    for n in 0..200 {
        unwatched(&history, look(Status::Ok), &seen(), at(n));
    }
    let left: i64 = history.with(|c| c.query_row("SELECT count(*) FROM transitions", [], |row| row.get(0))).unwrap();
    assert!((2_000..=5_010).contains(&left), "{left}");
    assert_eq!(history.why_off(), None);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    record(&history, look(Status::Ok), &seen(), at(0));
    for file in fs::read_dir(folder.path().join("gateway")).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
    }
    assert_eq!(fs::metadata(folder.path().join("gateway")).unwrap().permissions().mode() & 0o777, 0o700);
}

/// Health still reports, and says that history is off and why.
fn still_reports(history: &History, why: &str) {
    let (health, transitions) = record(history, look(Status::Offline), &seen(), Moment::now());
    assert_eq!((health.services[0].status, transitions.len()), (Status::Offline, 2), "and tells of changes");
    assert_eq!(health.services[0].since, None);
    let off = history.why_off().unwrap();
    assert!(off.contains(why), "{off}");
    assert!(history.last("gw", Moment::now()).is_none());
    history.record_call("gw", "s", &CallResult::Answered, Moment::now());
}

#[test]
fn without_a_place_for_the_file_health_still_reports() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    still_reports(&History::new(&file), "cannot be made");
    still_reports(&History::off("there is no home folder"), "no home folder");
}

/// Only a user who is not root is held up by permissions; the child is nobody, where that can be done.
#[cfg(unix)]
#[test]
fn in_a_read_only_folder_health_still_reports() {
    use std::os::unix::{fs::PermissionsExt as _, process::CommandExt as _};

    let folder = tempfile::tempdir().unwrap();
    let gateway = folder.path().join("gateway");
    fs::create_dir(&gateway).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(folder.path(), 0o755);
    mode(&gateway, 0o555);
    if fs::write(gateway.join("probe"), "").is_err() {
        still_reports(&History::new(folder.path()), "cannot be made");
    } else {
        fs::remove_file(gateway.join("probe")).unwrap();
        // The test program may lie where nobody cannot go.
        let program = folder.path().join("program");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        mode(&program, 0o755);
        let output = Command::new(&program)
            .args(["--exact", "history::tests::child_in_a_read_only_folder", "--ignored", "--nocapture"])
            .env("HISTORY_FOLDER", folder.path())
            .current_dir(folder.path())
            .uid(65_534)
            .gid(65_534)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }
    mode(&gateway, 0o755);
}

#[test]
#[ignore = "a child process of another test"]
fn child_in_a_read_only_folder() {
    if let Some(folder) = std::env::var_os("HISTORY_FOLDER") {
        still_reports(&History::new(Path::new(&folder)), "cannot be made");
    }
}

#[test]
fn on_a_full_disk_health_still_reports() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    record(&history, look(Status::Ok), &seen(), at(0));
    // SQLite's own limit: it fails as on a full disk.
    history
        .with(|connection| {
            connection
                .pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))
                .and_then(|pages| connection.pragma_update(None, "max_page_count", pages))
        })
        .unwrap();
    let mut off = None;
    for n in 0..200 {
        let mut health = look(Status::Offline);
        health.error = Some(Error::new(Class::UpstreamError, "x".repeat(10_000)));
        let (health, _) = record(&history, health, &seen(), at(n));
        assert_eq!(health.services[0].status, Status::Offline);
        off = history.why_off();
        if off.is_some() {
            break;
        }
    }
    assert!(off.as_ref().unwrap().contains("full"), "{off:?}");
    // What was there is still there.
    assert!(History::new(folder.path()).last("gw", at(1)).is_some());
}

#[test]
fn a_locked_database_is_waited_for_a_little_and_then_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    record(&history, look(Status::Ok), &seen(), at(0));
    let other = Connection::open(history.path().unwrap()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let fresh = History::new(folder.path());
    let health = unwatched(&fresh, look(Status::Offline), &seen(), at(10));
    assert_eq!((health.services[0].status, &health.since), (Status::Offline, &None));
    assert!(fresh.why_off().unwrap().contains("locked"), "{:?}", fresh.why_off());
    // The second question does not wait again.
    let asked = Instant::now();
    unwatched(&fresh, look(Status::Offline), &seen(), at(20));
    assert!(asked.elapsed() < Duration::from_millis(1_500));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(record(&history, look(Status::Offline), &seen(), at(30)).1.len(), 2, "the lock is gone, and it goes on");
}

fn broken_beside(folder: &Path) -> usize {
    let names =
        fs::read_dir(folder.join("gateway")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".broken-") && !name.ends_with("-wal") && !name.ends_with("-shm")).count()
}

#[test]
fn a_file_that_is_no_database_is_moved_aside_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("gateway")).unwrap();
    fs::write(folder.path().join("gateway/history.db"), "this is no database, ".repeat(500)).unwrap();
    let history = History::new(folder.path());
    let (health, _) = record(&history, look(Status::Ok), &seen(), at(0));
    assert!(health.services[0].since.is_some(), "{:?}", history.why_off());
    assert_eq!(broken_beside(folder.path()), 1);
    let notes = history.take_notes();
    assert!(notes.len() == 1 && notes[0].contains("kept as"), "{notes:?}");
    assert!(history.take_notes().is_empty());
}

#[test]
fn a_database_that_breaks_in_the_middle_is_moved_aside_and_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway/history.db");
    let history = History::new(folder.path());
    for n in 0..60 {
        record(&history, look(if n % 2 == 0 { Status::Ok } else { Status::Offline }), &seen(), at(n));
    }
    history.with(|connection| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))).unwrap();
    drop(history);
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(4_096)).unwrap();
    file.write_all(&vec![0x5a; usize::try_from(length - 4_096).unwrap()]).unwrap();
    drop(file);
    let history = History::new(folder.path());
    let (health, _) = record(&history, look(Status::Ok), &seen(), at(100));
    let (health, _) = if health.services[0].since.is_some() {
        (health, Vec::new())
    } else {
        record(&history, look(Status::Ok), &seen(), at(101))
    };
    assert!(health.services[0].since.is_some(), "{:?}", history.why_off());
    assert_eq!(broken_beside(folder.path()), 1);
    assert!(history.last("gw", at(102)).is_some());
}

#[test]
fn a_database_of_a_newer_program_or_of_another_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    record(&history, look(Status::Ok), &seen(), at(0));
    history.with(|connection| connection.pragma_update(None, "user_version", 99)).unwrap();
    drop(history);
    still_reports(&History::new(folder.path()), "newer");
    assert_eq!(broken_beside(folder.path()), 0);

    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("gateway")).unwrap();
    Connection::open(folder.path().join("gateway/history.db"))
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    still_reports(&History::new(folder.path()), "another program");
}

/// What a repository could bring along as somebody's history.
#[cfg(unix)]
#[test]
fn a_history_that_was_laid_there_is_not_followed_not_run_and_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = folder.path().join("gateway");
    fs::create_dir(&gateway).unwrap();
    let victim = folder.path().join("victim");
    // The lock is a link to a file of the user.
    fs::write(&victim, "precious").unwrap();
    fs::write(gateway.join("history.db"), "no database").unwrap();
    std::os::unix::fs::symlink(&victim, gateway.join("history.db.lock")).unwrap();
    let history = History::new(folder.path());
    assert!(history.last("gw", at(0)).is_none());
    assert!(history.why_off().unwrap().contains("cannot be moved aside"), "{:?}", history.why_off());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    // The database is one, to a database of somebody else.
    fs::remove_file(gateway.join("history.db.lock")).unwrap();
    fs::remove_file(gateway.join("history.db")).unwrap();
    std::os::unix::fs::symlink(&victim, gateway.join("history.db")).unwrap();
    still_reports(&History::new(folder.path()), "cannot be made");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    // A view in place of a table, that never ends.
    fs::remove_file(gateway.join("history.db")).unwrap();
    let hostile = Connection::open(gateway.join("history.db")).unwrap();
    hostile
        .execute_batch(&format!(
            "PRAGMA application_id = {}; PRAGMA user_version = 2;
             CREATE VIEW states AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n)
             SELECT 'gw' AS gateway, '' AS service, 'ok' AS status, 0 AS since, 0 AS at, 'ok' AS reported, NULL AS suspected, '' AS evidence
             FROM n WHERE i = 2;",
            0x7066_6c67
        ))
        .unwrap();
    drop(hostile);
    let history = History::new(folder.path());
    let asked = Instant::now();
    assert!(history.last("gw", at(0)).is_none());
    assert!(asked.elapsed() < Duration::from_secs(20));
    assert_eq!((history.why_off(), broken_beside(folder.path())), (None, 1));
    assert!(history.take_notes().iter().any(|note| note.contains("holds other tables")));
    // Ours, and one trigger more.
    unwatched(&history, look(Status::Ok), &seen(), at(0));
    drop(history);
    let hostile = Connection::open(gateway.join("history.db")).unwrap();
    hostile.execute_batch("CREATE TRIGGER t AFTER INSERT ON reports BEGIN DELETE FROM states; END").unwrap();
    drop(hostile);
    let history = History::new(folder.path());
    assert!(history.last("gw", at(0)).is_none());
    assert_eq!((history.why_off(), broken_beside(folder.path())), (None, 2));
}

#[test]
fn a_question_that_takes_too_long_gets_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    assert_eq!(history.with(|c| c.query_row(endless, [], |row| row.get::<_, i64>(0))), None);
    assert!(history.why_off().unwrap().contains("takes too long"), "{:?}", history.why_off());
}

#[test]
fn many_writers_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let folder = folder.path();
            scope.spawn(move || {
                let history = History::new(folder);
                for i in 0..25 {
                    let failed = CallResult::Failed { status: Status::Timeout, message: "slow".into() };
                    history.record_call("gw", &format!("s{n}"), &failed, at(i));
                    assert_eq!(history.why_off(), None);
                }
            });
        }
    });
    let known = History::new(folder.path()).known("gw");
    assert!(known.calls.len() == 8 && known.calls.values().all(|calls| calls.failures == 25), "{known:?}");
}

/// 1,000 changes of state by a process that is killed at any moment, again and again: whatever it acknowledged is there.
#[cfg(unix)]
#[test]
fn nothing_that_was_acknowledged_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut next = 0_i64;
    let mut kills = 0_u64;
    while next < 1_000 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "history::tests::child_that_changes_states", "--ignored", "--nocapture"])
            .env("HISTORY_FOLDER", folder.path())
            .env("HISTORY_FROM", next.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // After 7 to 96 acknowledged changes, and then at a moment within the next one.
        let wanted = 7 + (kills * 31) % 90;
        let mut acknowledged = 0;
        for line in lines.by_ref() {
            if let Some(n) = line.unwrap().strip_prefix("acknowledged ") {
                next = n.parse::<i64>().unwrap() + 1;
                acknowledged += 1;
                if acknowledged >= wanted || next >= 1_000 {
                    break;
                }
            }
        }
        std::thread::sleep(Duration::from_micros((kills * 613) % 3_000));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said between the last line read and its death counts too.
        for line in lines.map_while(Result::ok) {
            if let Some(n) = line.strip_prefix("acknowledged ") {
                next = n.parse::<i64>().unwrap() + 1;
            }
        }
        kills += 1;
        assert!(kills < 500, "it does not get on");
        let history = History::new(folder.path());
        let kept: i64 = history
            .with(|c| c.query_row("SELECT count(*) FROM transitions WHERE service = 's'", [], |row| row.get(0)))
            .unwrap();
        let status = history.last_service("gw", "s", at(0)).unwrap().status;
        assert!(kept == next || kept == next + 1, "acknowledged {next}, kept {kept}");
        assert_eq!(status, if kept % 2 == 1 { Status::Ok } else { Status::Offline });
        let verdict: String = history.with(|c| c.query_row("PRAGMA integrity_check", [], |row| row.get(0))).unwrap();
        assert_eq!(verdict, "ok");
        // One that was kept and not acknowledged counts as done.
        next = kept;
    }
    assert!(kills >= 10, "killed {kills} times");
    assert_eq!(broken_beside(folder.path()), 0);
}

#[test]
#[ignore = "a child process of another test"]
fn child_that_changes_states() {
    let Some(folder) = std::env::var_os("HISTORY_FOLDER") else { return };
    let from: i64 = std::env::var("HISTORY_FROM").unwrap().parse().unwrap();
    let history = History::new(Path::new(&folder));
    println!();
    for n in from..1_100 {
        let (health, _) = record(&history, look(if n % 2 == 0 { Status::Ok } else { Status::Offline }), &seen(), at(n));
        assert!(health.services[0].since.is_some());
        println!("acknowledged {n}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn stretches_of_time_are_read() {
    assert_eq!(stretch("24h"), Ok(Duration::from_hours(24)));
    assert_eq!(stretch("30m"), Ok(Duration::from_mins(30)));
    for wrong in ["", "h", "0h", "-1h", "24", "1w", "91d", "99999999999999999999d"] {
        assert!(stretch(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_known_fits_judgement() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    assert!(history.known("nobody").states.is_empty());
    record(&history, look(Status::Ok), &seen(), at(0));
    let known = history.known("gw");
    assert_eq!(known.states.keys().collect::<Vec<_>>(), ["", "s"]);
    assert_eq!(known.snapshot.unwrap().tools.len(), 1);
    assert_eq!(known.calls, BTreeMap::new());
}

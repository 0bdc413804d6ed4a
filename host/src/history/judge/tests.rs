#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use super::*;

const NOW: Moment = Moment::from_millis(1_795_400_000_000);

fn ago(seconds: u64) -> Moment {
    NOW.before(Duration::from_secs(seconds))
}

fn tools(list: &[(&str, &str)]) -> Vec<SnapshotTool> {
    let mut tools: Vec<_> = list
        .iter()
        .map(|(service, name)| SnapshotTool { name: (*name).into(), service: Some((*service).into()) })
        .collect();
    tools.sort();
    tools
}

fn many(service: &str, count: usize) -> Vec<SnapshotTool> {
    (0..count).map(|n| SnapshotTool { name: format!("{service}_{n:04}"), service: Some(service.into()) }).collect()
}

fn health(services: &[(&str, Status)]) -> GatewayHealth {
    let mut health = GatewayHealth::new("gw", Status::Ok, NOW.rfc3339());
    for (name, status) in services {
        let mut service = ServiceHealth::new(*name, *status, 1);
        service.evidence.push(format!("the gateway says {status}"));
        health.services.push(service);
    }
    health
}

fn snapshot(tools: Vec<SnapshotTool>) -> Known {
    Known { snapshot: Some(Snapshot { seen_at: ago(240), accepted: false, tools }), ..Known::default() }
}

fn listing(tools: Vec<SnapshotTool>) -> Seen {
    Seen { tools: Some(tools), ..Seen::default() }
}

fn failed(seconds: u64, status: Status) -> CallsSeen {
    CallsSeen {
        last_bad: Some(ago(seconds)),
        failures: 1,
        status: Some(status),
        message: "All connection attempts failed".into(),
        ..CallsSeen::default()
    }
}

fn answered(seconds: u64) -> CallsSeen {
    CallsSeen { last_good: Some(ago(seconds)), ..CallsSeen::default() }
}

fn state(reported: Status, seconds: u64) -> StateSeen {
    StateSeen { status: reported, reported, reported_since: ago(seconds), last_good: None }
}

/// What the gateway says, what calls told, what was said before, when the gateway saw it last → the verdict, and whether it is
/// called a disagreement.
#[test]
fn what_the_gateway_says_is_weighed_against_what_calls_tell() {
    use Status::{
        AuthRequired, Degraded, Disabled, Forbidden, Offline, Ok, RateLimited, Timeout, Unknown, UpstreamError,
    };
    let nothing = CallsSeen::default;
    let cases = [
        // said, calls, said before, seen by the gateway seconds ago → verdict, disagreement
        (Ok, nothing(), None, None, Ok, false),
        (Ok, failed(5, UpstreamError), None, None, Degraded, true),
        (Ok, failed(5, UpstreamError), None, Some(60), Degraded, true),
        (Ok, failed(30, UpstreamError), None, Some(2), Ok, false),
        (Ok, failed(30, UpstreamError), Some(state(Offline, 20)), None, Ok, false),
        (Ok, failed(5, Timeout), None, None, Degraded, true),
        (Ok, failed(5, AuthRequired), None, None, AuthRequired, true),
        (Ok, failed(5, Forbidden), None, None, Forbidden, true),
        (Ok, failed(5, RateLimited), None, None, RateLimited, true),
        (Ok, failed(3_600, UpstreamError), None, None, Ok, false),
        (Unknown, failed(5, UpstreamError), None, None, Degraded, false),
        (Unknown, answered(5), None, None, Ok, false),
        (Unknown, answered(3_600), None, None, Unknown, false),
        (Unknown, nothing(), None, None, Unknown, false),
        (Offline, failed(5, UpstreamError), None, None, Offline, false),
        (Offline, failed(5, AuthRequired), None, None, AuthRequired, false),
        (Offline, answered(5), Some(state(Offline, 60)), None, Degraded, true),
        // It went down after the call: no contradiction.
        (Offline, answered(60), Some(state(Offline, 5)), None, Offline, false),
        (Offline, answered(5), Some(state(Ok, 600)), None, Offline, false),
        (Disabled, failed(5, UpstreamError), None, None, Disabled, false),
        (Disabled, answered(5), None, None, Disabled, false),
        // Alone: the gateway's clock may be wrong.
        (Ok, nothing(), None, Some(3_600), Ok, false),
    ];
    for (row, (said, calls, before, seen_ago, verdict, disagree)) in cases.into_iter().enumerate() {
        let mut health = health(&[("s", said)]);
        health.services.first_mut().unwrap().last_seen = seen_ago.map(|seconds| ago(seconds).rfc3339());
        let known = Known {
            calls: BTreeMap::from([("s".to_owned(), calls)]),
            states: before.map(|state| ("s".to_owned(), state)).into_iter().collect(),
            ..Known::default()
        };
        judge(&mut health, &listing(tools(&[("s", "t")])), &known, NOW);
        let service = health.services.first().unwrap();
        assert_eq!(service.status, verdict, "row {row}: {service:?}");
        assert_eq!(
            service.evidence.iter().any(|words| words.contains("signals disagree")),
            disagree,
            "row {row}: {service:?}"
        );
        assert_eq!(health.status, if is_well(verdict) { Ok } else { Degraded }, "row {row}");
        assert!(
            service.evidence.iter().any(|words| words.contains(&format!("the gateway says {said}"))),
            "row {row}: nothing is dropped"
        );
    }
}

#[test]
fn a_service_that_was_seen_much_longer_ago_than_the_others_is_suspect() {
    let mut health = health(&[("fresh", Status::Ok), ("stale", Status::Ok)]);
    for (service, seconds) in health.services.iter_mut().zip([3_600, 7_200]) {
        service.last_seen = Some(ago(seconds).rfc3339());
    }
    judge(&mut health, &listing(tools(&[("fresh", "f"), ("stale", "s")])), &Known::default(), NOW);
    let states: Vec<_> = health.services.iter().map(|service| service.status).collect();
    assert_eq!(states, [Status::Ok, Status::Degraded]);
    assert!(
        health.services.last().unwrap().evidence.first().unwrap().contains("last seen well 120 minutes ago")
            || health.services.last().unwrap().evidence.first().unwrap().contains("2 hours ago")
    );
}

#[test]
fn a_vanished_service_is_named_with_its_tools() {
    let known = snapshot(tools(&[("github", "gh_a"), ("slack", "slack_post"), ("slack", "slack_list")]));
    let mut health = health(&[("github", Status::Ok)]);
    let verdict = judge(&mut health, &listing(tools(&[("github", "gh_a"), ("jira", "jira_x")])), &known, NOW);
    assert_eq!(
        (health.status, health.vanished.as_slice(), health.appeared.as_slice()),
        (Status::Degraded, &["slack".to_owned()][..], &["jira".to_owned()][..])
    );
    assert_eq!(health.vanished_tools, ["slack_list", "slack_post"]);
    assert_eq!(health.appeared_tools, ["jira_x"]);
    let slack = health.services.iter().find(|service| service.name == "slack").unwrap();
    assert_eq!((slack.status, slack.tools), (Status::Offline, 0));
    assert_eq!(
        slack.evidence.first().unwrap(),
        "all its tools are gone: slack_list, slack_post (seen 4 minutes ago): look at slack, and whether the gateway still has it"
    );
    assert!(!verdict.good_catalogue, "the snapshot that is better stays");
}

#[test]
fn nothing_vanished_that_may_stand_on_a_page_which_could_not_be_read() {
    let known = snapshot(tools(&[("github", "gh_a"), ("slack", "slack_post")]));
    let mut health = GatewayHealth { status: Status::Degraded, ..health(&[("github", Status::Ok)]) };
    let seen = Seen { cut: true, declared: vec!["wiki".to_owned()], ..listing(tools(&[("github", "gh_a")])) };
    let verdict = judge(&mut health, &seen, &known, NOW);
    assert_eq!((health.vanished.len(), health.vanished_tools.len(), health.appeared.len()), (0, 0, 0));
    assert!(!verdict.good_catalogue);
    assert_eq!(health.status, Status::Degraded);
    let slack = health.services.iter().find(|service| service.name == "slack").unwrap();
    assert_eq!(slack.status, Status::Unknown);
    assert_eq!(slack.evidence.first().unwrap(), "the list of tools could not be read to its end");
}

#[test]
fn a_service_that_an_administrator_switched_off_did_not_vanish() {
    let known = snapshot(tools(&[("github", "gh_a"), ("slack", "slack_post")]));
    let mut health = health(&[("github", Status::Ok), ("slack", Status::Disabled)]);
    judge(&mut health, &listing(tools(&[("github", "gh_a")])), &known, NOW);
    assert_eq!((health.status, health.vanished.len()), (Status::Ok, 0));
    let slack = health.services.iter().find(|service| service.name == "slack").unwrap();
    assert_eq!((slack.status, slack.evidence.len()), (Status::Disabled, 2), "{slack:?}");
}

#[test]
fn a_lost_tool_of_a_living_service_is_told_and_does_not_make_it_ill() {
    let known = snapshot(tools(&[("github", "gh_a"), ("github", "gh_b")]));
    let mut health = health(&[("github", Status::Ok)]);
    let verdict = judge(&mut health, &listing(tools(&[("github", "gh_a")])), &known, NOW);
    assert_eq!((health.status, health.vanished_tools.as_slice()), (Status::Ok, &["gh_b".to_owned()][..]));
    assert!(
        health.services.first().unwrap().evidence.iter().any(|words| words.contains("1 of its 2 tools is gone: gh_b"))
    );
    assert!(!verdict.good_catalogue);
}

#[test]
fn a_catalogue_of_exactly_a_hundred_is_suspect_when_more_is_known() {
    let full = many("big", 150);
    let cut = || listing(full.iter().take(100).cloned().collect());
    // Known from before.
    let mut one = health(&[("big", Status::Ok)]);
    assert!(!judge(&mut one, &cut(), &snapshot(full.clone()), NOW).good_catalogue);
    assert_eq!(one.status, Status::Degraded);
    assert!(
        one.warnings.iter().any(|words| words
            == "the catalogue ends at exactly 100 tools and may have been cut: 4 minutes ago there were 150"),
        "{:?}",
        one.warnings
    );
    // Declared, and not there.
    let mut two = health(&[("big", Status::Ok)]);
    judge(&mut two, &Seen { declared: vec!["small".into()], ..cut() }, &Known::default(), NOW);
    assert!(
        two.warnings.iter().any(|words| words.contains("may have been cut: nothing of small is in it")),
        "{:?}",
        two.warnings
    );
    assert_eq!(two.services.last().unwrap().status, Status::Degraded, "behind the cut, it may be well");
    // Nothing more is known: a round number alone says nothing.
    let mut three = health(&[("big", Status::Ok)]);
    assert!(judge(&mut three, &cut(), &Known::default(), NOW).good_catalogue);
    assert_eq!((three.status, three.warnings.len()), (Status::Ok, 0));
    // Not round: gone, not cut.
    let mut four = health(&[("big", Status::Ok)]);
    judge(&mut four, &listing(full.iter().take(101).cloned().collect()), &snapshot(full.clone()), NOW);
    assert!(!four.warnings.iter().any(|words| words.contains("cut")));
}

#[test]
fn a_declared_service_without_tools_is_missing() {
    let mut health = health(&[("github", Status::Ok)]);
    let seen = Seen { declared: vec!["github".into(), "slack".into()], ..listing(tools(&[("github", "gh_a")])) };
    let verdict = judge(&mut health, &seen, &Known::default(), NOW);
    let slack = health.services.iter().find(|service| service.name == "slack").unwrap();
    assert_eq!((health.status, slack.status), (Status::Degraded, Status::Offline));
    assert!(slack.evidence.first().unwrap().starts_with("declared, and the gateway lists no tool of it: "));
    assert!(!verdict.good_catalogue);
}

#[test]
fn an_empty_list_says_nothing_of_the_services() {
    let known = snapshot(tools(&[("github", "gh_a"), ("slack", "slack_post")]));
    let mut health = health(&[]);
    let verdict = judge(&mut health, &listing(Vec::new()), &known, NOW);
    assert_eq!((health.status, health.vanished.len(), health.services.len()), (Status::Degraded, 0, 2));
    assert!(health.services.iter().all(|service| service.status == Status::Unknown));
    assert_eq!(health.warnings, ["the gateway lists no tools at all; 4 minutes ago there were 2"]);
    assert!(!verdict.good_catalogue);
}

#[test]
fn services_of_a_gateway_that_is_away_are_told_from_memory() {
    let mut known = snapshot(tools(&[("github", "gh_a")]));
    known.states.insert("github".into(), StateSeen { last_good: Some(ago(240)), ..state(Status::Ok, 900) });
    let mut health = GatewayHealth::new("gw", Status::Unreachable, NOW.rfc3339());
    health.error = Some(crate::Error::new(crate::Class::Unreachable, "nobody there"));
    judge(&mut health, &Seen::default(), &known, NOW);
    let github = health.services.first().unwrap();
    assert_eq!((health.status, github.status), (Status::Unreachable, Status::Unknown));
    assert_eq!(github.evidence, ["the gateway could not be asked", "last known: ok, last well 4 minutes ago"]);
}

#[test]
fn a_probe_outranks_what_is_said() {
    use Status::{AuthRequired, Disabled, Offline, Ok, Unknown};
    for (said, probe, verdict, disagree) in [
        (Ok, Ok, Ok, false),
        (Ok, Offline, Offline, true),
        (Offline, Ok, Ok, true),
        (Unknown, Ok, Ok, false),
        (Unknown, AuthRequired, AuthRequired, false),
        (Offline, Unknown, Offline, false),
        (Disabled, Offline, Disabled, true),
    ] {
        let mut health = health(&[("s", said)]);
        let probes =
            BTreeMap::from([("s".to_owned(), Probe { tool: "s_me".into(), status: probe, message: "answer".into() })]);
        judge(&mut health, &Seen { probes, ..listing(tools(&[("s", "t")])) }, &Known::default(), NOW);
        let service = health.services.first().unwrap();
        assert_eq!(service.status, verdict, "{said} {probe}");
        assert_eq!(
            service.evidence.iter().any(|words| words.contains("disagree")),
            disagree,
            "{said} {probe} {service:?}"
        );
    }
}

#[test]
fn a_token_that_ends_soon_is_told_ahead_of_time() {
    for (ends, error, words) in [
        (NOW.millis() + 12 * 60_000, false, Some("the gateway's token expires in 12 minutes")),
        (NOW.millis() + 40 * 86_400_000, false, None),
        (
            NOW.millis() - 240_000,
            false,
            Some("signals disagree: the token expired 4 minutes ago by its own date, and the gateway still takes it"),
        ),
        (NOW.millis() - 240_000, true, None),
    ] {
        let mut health = health(&[]);
        health.expires_at = Some(Moment::from_millis(ends).rfc3339());
        health.error = error.then(|| crate::Error::new(crate::Class::TokenExpired, "expired"));
        judge(&mut health, &listing(tools(&[("s", "t")])), &Known::default(), NOW);
        assert_eq!(health.warnings.first().map(String::as_str), words);
    }
}

#[test]
fn a_clock_that_went_back_makes_no_negative_age() {
    let later = Moment::from_millis(NOW.millis() + 86_400_000);
    let mut health = health(&[("s", Status::Ok)]);
    health.services.first_mut().unwrap().last_seen = Some(later.rfc3339());
    let mut known = snapshot(tools(&[("gone", "g")]));
    known.snapshot.as_mut().unwrap().seen_at = later;
    known.calls.insert(
        "s".into(),
        CallsSeen { last_bad: Some(later), failures: 2, status: Some(Status::Timeout), ..CallsSeen::default() },
    );
    judge(&mut health, &listing(tools(&[("s", "t")])), &known, NOW);
    let all = format!("{health:?}");
    assert!(
        all.contains("0 seconds ago")
            && !all.contains('-'.to_string().as_str().repeat(2).as_str())
            && !all.contains(" -"),
        "{all}"
    );
}

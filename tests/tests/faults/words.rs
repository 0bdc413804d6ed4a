//! What a user is told: the sentence, the hint, and who is to blame, from the real binary.

use std::{sync::Arc, time::Duration};

use pflow_gateway_tests::{
    context_forge::{self, ContextForge, Enabled, Grant, SERVER},
    docker::{self, Condition, Docker, Feature},
    faults::{Fault, Faulty},
    generic::{Auth, Config, Generic},
    program::{Home, Run},
    server::{Fake, Gateway},
};
use serde_json::{Value, json};

use crate::{entry, program};

const WAIT: Duration = Duration::from_secs(20);

async fn home(url: &str, token: Option<&str>) -> Home {
    let auth = token.map_or(Value::Null, |_| json!({"type": "bearer", "token": "${TOKEN}"}));
    let home = Home::new(&program().await, &json!({"g": entry(url, auth)})).unwrap();
    home.with("TOKEN", token.unwrap_or_default())
}

async fn run(home: &Home, words: &[&str]) -> Run {
    home.run(words, WAIT).await.unwrap()
}

async fn serve(gateway: Arc<dyn Gateway>) -> Fake {
    Fake::start(gateway).await.unwrap()
}

async fn fault(name: &str) -> Faulty {
    Fault::named(name).unwrap().start().await.unwrap()
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap()
}

/// A gateway of `ContextForge`'s kind, and its URL.
async fn forge(change: impl FnOnce(&mut context_forge::Config)) -> (Arc<ContextForge>, Fake, String) {
    let mut config = context_forge::Config::usual();
    change(&mut config);
    let token = config.token();
    let forge = Arc::new(ContextForge::new(config));
    let fake = serve(forge.clone()).await.at(&format!("/servers/{SERVER}/mcp"));
    (forge, fake, token)
}

#[tokio::test]
async fn a_gateway_that_never_answers_tells_nothing_of_the_credential() {
    let docker = Docker::new(docker::Config { hung: true, ..docker::Config::default() });
    let fake = serve(Arc::new(docker)).await;
    let report = run(&home(&fake.url(), Some("t")).await, &["test", "g", "--timeout", "1", "--json"]).await.json();
    assert_eq!(check(&report, "connect")["ok"], json!(true), "{report:#}");
    assert_eq!(check(&report, "auth")["ok"], Value::Null, "{report:#}");
    assert_eq!(check(&report, "protocol")["ok"], json!(false), "{report:#}");
    let closing = fault("closed-after-request").await;
    let report = run(&home(&closing.url, None).await, &["test", "g", "--json"]).await.json();
    assert_eq!(check(&report, "connect")["ok"], json!(true), "it was there: {report:#}");
    assert_eq!(check(&report, "auth")["ok"], Value::Null, "{report:#}");
}

#[tokio::test]
async fn a_token_that_may_not_call_is_to_blame_and_not_the_service() {
    let (forge, fake, _) = forge(|_| {}).await;
    forge.grant("reader", Grant::new(Some(SERVER), &["tools.read", "servers.read"]));
    let home = home(&fake.url(), Some("reader")).await;
    let called = run(&home, &["call", "g", "slack-post-message", "--no-check", "--json"]).await;
    let error = &called.json()["error"];
    assert_eq!((&error["class"], &error["service"]), (&json!("forbidden"), &Value::Null), "{called:?}");
    assert!(error["message"].as_str().unwrap().contains("does not let this credential call tools"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("tools.execute"), "{error}");
    let health = run(&home, &["health", "g", "--json"]).await.json();
    let slack = health["gateways"][0]["services"].as_array().unwrap().iter().find(|s| s["name"] == "slack").unwrap();
    assert_eq!(slack["status"], "ok", "the service was never asked: {slack}");
}

#[tokio::test]
async fn an_unknown_virtual_server_is_named_with_what_to_do() {
    let (_forge, fake, token) = forge(|_| {}).await;
    let fake = fake.at("/servers/99999999999999999999999999999999/mcp");
    let run = run(&home(&fake.url(), Some(&token)).await, &["test", "g"]).await;
    assert!(run.stderr.contains("ContextForge knows no virtual server of this id"), "{run:?}");
    assert!(run.stderr.contains("check the id in the URL"), "{run:?}");
}

#[tokio::test]
async fn what_dockers_secret_blocker_does_is_said_with_its_switch() {
    let fake = serve(Arc::new(Docker::new(docker::Config::default()))).await;
    let args = json!({"channel": "c", "text": "ghp_0123456789abcdefghijklmnopqrstuvwxyz"}).to_string();
    let run = run(&home(&fake.url(), None).await, &["call", "g", "post_message", "--args", &args]).await;
    assert!(run.stderr.contains("blocked the call, which did not run"), "{run:?}");
    assert!(run.stderr.contains("--block-secrets=false") && !run.stderr.contains("--bearer-env"), "{run:?}");
}

#[tokio::test]
async fn control_tools_are_listed_when_asked_for_and_stay_uncallable() {
    let config = docker::Config { dynamic_tools: Feature::On, ..docker::Config::default() };
    let fake = serve(Arc::new(Docker::new(config))).await;
    let home = home(&fake.url(), None).await;
    let listed = async |more: &[&str]| {
        let words: Vec<&str> = ["tools", "g", "--json"].iter().chain(more).copied().collect();
        let report = run(&home, &words).await.json();
        report["tools"].as_array().unwrap().iter().filter(|tool| tool["attribution"] == "control").count()
    };
    assert_eq!(listed(&[]).await, 0);
    assert_eq!(listed(&["--control-tools"]).await, 8);
    assert_eq!(listed(&["--control-tools", "--exclude", "mcp-*"]).await, 1);
    assert_eq!(run(&home, &["call", "g", "mcp-find", "--json"]).await.json()["error"]["class"], "config");
}

#[tokio::test]
async fn what_speaks_no_http_is_told_without_codes() {
    for name in ["http-not-http", "tls-behind-http", "http-two-lengths"] {
        let faulty = fault(name).await;
        for words in [["test", "g"], ["services", "g"]] {
            let run = run(&home(&faulty.url, None).await, &words).await;
            let all = format!("{}{}", run.stdout, run.stderr);
            assert!(run.stderr.contains("does not speak HTTP"), "{name}: {run:?}");
            assert!(!all.contains("HTTP 0") && !all.contains("ErrorCode"), "{name}: {run:?}");
        }
    }
}

#[tokio::test]
async fn what_a_gateway_says_beside_mcp_is_repeated_once() {
    let faulty = fault("http-400-detail").await;
    let run = run(&home(&faulty.url, None).await, &["services", "g"]).await;
    assert_eq!(run.stderr.matches("400").count(), 1, "{run:?}");
}

#[tokio::test]
async fn a_command_ends_with_its_timeout_however_many_steps_it_has() {
    // Every step is quick enough for itself; together they are not.
    let latency = Duration::from_millis(700);
    let fake = serve(Arc::new(Generic::new(Config { latency, page: Some(1), ..Config::default() }))).await;
    let home = home(&fake.url(), None).await;
    for words in [["tools", "g"], ["services", "g"]] {
        let words: Vec<&str> = words.into_iter().chain(["--timeout", "2.5", "--json"]).collect();
        let run = run(&home, &words).await;
        let error = &run.json()["error"];
        assert_eq!(error["class"], "timeout", "{run:?}");
        assert!(error["message"].as_str().unwrap().contains("several steps together"), "{run:?}");
        // One step more than allowed, the farewell, and a slow machine.
        assert!(run.took < Duration::from_secs(9), "{run:?}");
    }
}

#[tokio::test]
async fn a_probe_that_cannot_be_made_is_reported() {
    let fake = serve(Arc::new(Generic::new(Config::default()))).await;
    let home = home(&fake.url(), None).await;
    let run = run(&home, &["health", "g", "--probe", "slack=slack__get_me", "--json"]).await;
    let words = "the probe slack=slack__get_me was not made: g lists no tool slack__get_me";
    assert!(run.json()["gateways"][0]["warnings"].to_string().contains(words), "{run:?}");
    let typo = ["health", "g", "--probe", "slakc=slack__list_chanels", "--json"];
    let run = home.run(&typo, WAIT).await.unwrap();
    let words = "the probe slakc=slack__list_chanels was not made: no gateway lists a tool slack__list_chanels";
    assert!(run.stderr.contains(words), "{run:?}");
    let run = home.run(&["health", "g", "--probe", "slakc=slack__list_channels", "--json"], WAIT).await.unwrap();
    let words = "the probe slakc=slack__list_channels tells of no known service";
    assert!(run.json()["gateways"][0]["warnings"].to_string().contains(words), "{run:?}");
}

#[tokio::test]
async fn a_failed_call_by_hand_is_remembered_even_of_an_unattributed_tool() {
    let docker = Arc::new(Docker::new(docker::Config::default()));
    let fake = serve(docker.clone()).await;
    let home = home(&fake.url(), None).await;
    assert_eq!(run(&home, &["health", "g", "--json"]).await.json()["status"], "ok");
    docker.set("slack", Condition::Down);
    assert_eq!(run(&home, &["call", "g", "list_channels"]).await.code, Some(1));
    let listed = run(&home, &["list"]).await;
    assert!(listed.stdout.contains("degraded"), "{listed:?}");
    let health = run(&home, &["health", "g", "--json"]).await.json();
    assert_eq!(health["status"], "degraded", "{health:#}");
    assert!(health["gateways"][0]["warnings"].to_string().contains("a call to list_channels"), "{health:#}");
    docker.restart_backend("slack");
    docker.set("slack", Condition::Up);
    assert_eq!(run(&home, &["call", "g", "list_channels"]).await.code, Some(0));
    assert_eq!(run(&home, &["health", "g", "--json"]).await.json()["status"], "ok");
}

#[tokio::test]
async fn a_service_that_was_taken_away_is_no_rename() {
    let (forge, fake, token) = forge(|_| {}).await;
    let home = home(&fake.url(), Some(&token)).await;
    forge.backend("slack", |backend| backend.enabled = Enabled::No);
    let called = run(&home, &["call", "g", "slack-post-message", "--no-check", "--json"]).await;
    assert_eq!(called.json()["error"]["class"], "config", "{called:?}");
    assert_eq!(fake.log().count("tools/call"), 0);
}

#[tokio::test]
async fn sixteen_mebibytes_pass_and_what_is_larger_is_refused_with_the_setting() {
    let fake = serve(Arc::new(Generic::new(Config::default()))).await;
    let home = home(&fake.url(), None).await;
    let big = async |bytes: usize| {
        let args = json!({"bytes": bytes, "structured": true}).to_string();
        run(&home, &["call", "g", "lab__big", "--args", &args]).await
    };
    let passed = big(16 << 20).await;
    assert_eq!((passed.code, passed.stdout.len()), (Some(0), (16 << 20) + 1), "{}", passed.stderr);
    let refused = big(24 << 20).await;
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("more than 41943040 bytes"), "{}", refused.stderr);
    assert!(refused.stderr.contains("response_body_bytes"), "{}", refused.stderr);
}

#[tokio::test]
async fn what_cannot_start_says_so_in_json_too() {
    let home = Home::new(&program().await, &json!({})).unwrap();
    for words in [
        &["monitor", "nope", "--json"][..],
        &["serve", "nope", "--json"],
        &["health", "nope", "--watch", "5", "--json"],
        &["tools", "--json"],
        &["nope", "--json"],
        &["--json"],
    ] {
        let run = run(&home, words).await;
        let error = &run.json()["error"];
        assert_eq!((run.code, &error["class"]), (Some(2), &json!("config")), "{words:?}: {run:?}");
        assert!(error["message"].is_string() && run.stderr.starts_with("Error: "), "{words:?}: {run:?}");
    }
    let typo = run(&home, &["monitr"]).await;
    assert!(typo.stderr.starts_with("Error: unrecognized subcommand 'monitr'\n  → a similar"), "{typo:?}");
}

#[tokio::test]
async fn lists_know_what_was_seen_behind_a_gateway() {
    let fake = serve(Arc::new(Generic::new(Config::default()))).await;
    let home = home(&fake.url(), None).await;
    let before = run(&home, &["list"]).await;
    assert!(before.stdout.contains("NAME") && before.stdout.contains("CREDENTIAL"), "{before:?}");
    let tools = run(&home, &["tools", "g", "--json"]).await.json()["total"].as_u64().unwrap();
    let listed = run(&home, &["list"]).await;
    assert!(listed.stdout.contains(&format!("{tools} tools of ")), "{listed:?}");
    let listed = run(&home, &["list", "--json"]).await.json();
    assert_eq!(listed["gateways"][0]["kind"], "generic", "{listed:#}");
    assert!(listed["gateways"][0]["seen"]["services"]["slack"].is_u64(), "{listed:#}");
}

#[tokio::test]
async fn whoever_wants_to_hear_more_hears_of_the_requests_and_no_secret() {
    let fake =
        serve(Arc::new(Generic::new(Config { auth: Auth::Bearer("s3cret-of-words".to_owned()), ..Config::default() })))
            .await;
    let home = home(&fake.url(), Some("s3cret-of-words")).await;
    for words in [&["tools", "g", "-v"][..], &["call", "g", "slack__list_channels", "-v"]] {
        let run = run(&home, words).await;
        let origin = fake.url().trim_end_matches("/mcp").to_owned();
        for says in [format!("g is {}", fake.url()), format!("POST {origin} → 200 in "), "agreed on MCP ".to_owned()]
        {
            assert!(run.stderr.contains(&says), "{says}: {run:?}");
        }
        assert!(!run.stderr.contains("s3cret"), "{run:?}");
    }
    let loudest = run(&home, &["call", "g", "slack__list_channels", "-vvv"]).await;
    assert!(!loudest.stderr.contains("not written to the end"), "{loudest:?}");
}

#[tokio::test]
async fn evidence_is_told_when_more_is_asked_for() {
    let fake = serve(Arc::new(Generic::new(Config::default()))).await;
    let home = home(&fake.url(), None).await;
    let (short, long) = (run(&home, &["services", "g"]).await, run(&home, &["services", "g", "-v"]).await);
    let json = run(&home, &["services", "g", "--json"]).await.json();
    let evidence = json["services"][0]["evidence"][0].as_str().unwrap();
    assert!(!short.stdout.contains(evidence) && long.stdout.contains(evidence), "{short:?} {long:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn an_entry_starts_the_program_by_the_link_that_the_user_has() {
    let fake = serve(Arc::new(Generic::new(Config::default()))).await;
    let home = Home::new(&program().await, &json!({})).unwrap();
    let link = home.path().join("pflow-gateway");
    std::os::unix::fs::symlink(program().await.path(), &link).unwrap();
    let added = tokio::process::Command::new(&link)
        .args(["add", "g", &fake.url(), "--no-test"])
        .env_clear()
        .env("HOME", home.path())
        .output()
        .await
        .unwrap();
    assert!(added.status.success(), "{added:?}");
    let file = std::fs::read_to_string(home.path().join(".pflow/mcp-servers.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(file["mcpServers"]["g"]["command"], json!(link), "{file:#}");
}

#[tokio::test]
async fn adopting_a_token_in_plain_text_says_so() {
    let fake = serve(Arc::new(Generic::new(Config::default()))).await;
    let plain = json!({"type": "http", "url": fake.url(), "headers": {"Authorization": "Bearer s3cret-of-words"}});
    let home = Home::new(&program().await, &json!({"lit": plain})).unwrap();
    let adopted = run(&home, &["adopt", "lit"]).await;
    assert!(adopted.stdout.contains("⚠ the entry holds a credential in plain text (authorization)"), "{adopted:?}");
    assert!(adopted.stdout.contains("✓ Adopted lit in "), "{adopted:?}");
    assert!(!format!("{}{}", adopted.stdout, adopted.stderr).contains("s3cret"), "{adopted:?}");
}

#[tokio::test]
async fn options_stand_under_the_headings_where_they_belong() {
    let home = Home::new(&program().await, &json!({})).unwrap();
    for command in ["add", "setup", "test", "tools", "health"] {
        let help = run(&home, &["help", command]).await.stdout;
        let (_, credential) = help.split_once("\nCredential:\n").unwrap();
        let inside = credential.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
        for option in inside.filter_map(|line| line.trim().strip_prefix("--")) {
            let known = ["bearer-env", "api-key-env", "api-key-header", "basic-env", "token-command", "header"];
            assert!(known.iter().any(|known| option.starts_with(known)), "{command}: --{option}");
        }
        assert!(help.contains("[default: 30") && help.contains("\nExamples:\n"), "{help}");
        assert!(!help.contains("<https"), "{help}");
    }
}

//! Commands without a process: what was typed, what was written, what is shown.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on shall stop")]

mod everyday;

use std::{collections::VecDeque, ffi::OsString, num::NonZeroUsize, path::Path};

use serde_json::{Value, json};

use super::{
    answers::Answers,
    args::{Cli, Command},
    context::{Context, credential, variable_name},
    once, parse, render, result,
    screen::Reply,
    setup,
};
use pflow_gateway::{
    config::Method,
    report::{self, Attribution, Confidence, Status},
};
use pflow_gateway_base::{Class, Error};
use pflow_gateway_demo as demo;
use pflow_gateway_demo::Demo;

fn typed(line: &[&str]) -> Cli {
    parse("pflow-gateway", line.iter().map(OsString::from)).unwrap()
}

/// A [`Reply`], its JSON as a tree.
struct Output {
    text: String,
    json: Value,
    error: Option<Error>,
    code: u8,
}

impl From<Reply> for Output {
    fn from(Reply { text, json, error, code, .. }: Reply) -> Self {
        Self { text, json: json.to_value(), error, code }
    }
}

/// Runs one command on a file of its own.
async fn command(file: &Path, line: &[&str]) -> Output {
    let file = file.to_str().unwrap();
    let cli = typed(&[line, &["--config", file]].concat());
    once(&Context::new("pflow-gateway", &cli.global), &cli.command).await.into()
}

fn text(styled: &str) -> String {
    anstream::adapter::strip_str(styled).to_string()
}

fn written(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[test]
fn clap_finds_nothing_wrong_with_the_commands() {
    <Cli as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn flags_of_every_command_work_before_and_after_its_name() {
    for line in [["--json", "--timeout", "2.5", "-vv", "test", "x"], ["test", "x", "--json", "-vv", "--timeout", "2.5"]]
    {
        let cli = typed(&line);
        assert!(cli.global.json);
        assert_eq!((cli.global.verbose, cli.global.timeout.unwrap().as_millis()), (2, 2_500));
    }
}

#[test]
fn help_shows_the_program_as_it_was_called() {
    for (program, line) in [("pflow-gateway", vec!["add", "--help"]), ("pflow mcp gateway", vec!["add", "-h"])] {
        let help = parse(program, line.iter().map(OsString::from)).err().unwrap();
        assert!(!help.use_stderr());
        assert!(help.to_string().contains(&format!("Usage: {program} add [OPTIONS] <NAME> <URL>")), "{help}");
    }
    let wrong = parse("pflow mcp gateway", ["test"].map(OsString::from)).err().unwrap();
    assert!(wrong.use_stderr() && wrong.to_string().contains("Usage: pflow mcp gateway test"), "{wrong}");
}

#[test]
fn senseless_words_are_usage_errors() {
    for line in [
        vec![],
        vec!["nope"],
        vec!["test"],
        vec!["test", "x", "--timeout", "0"],
        vec!["test", "x", "--timeout", "NaN"],
        vec!["add", "x", "http://h/", "--bearer-env", "A", "--api-key-env", "B"],
        vec!["add", "x", "http://h/", "--header", "no value"],
        vec!["add", "x", "http://h/", "--basic-env", "ONLY_ONE"],
        vec!["add", "x", "http://h/", "--service", "=x"],
        vec!["demo", "--page-size", "0"],
    ] {
        assert!(parse("pflow-gateway", line.iter().map(OsString::from)).is_err(), "{line:?}");
    }
}

#[test]
fn a_pasted_token_is_refused_and_not_repeated() {
    for token in ["ghp_abcdefghij0123456789", "eyJhbGciOiJIUzI1NiJ9.e30.x", "a b", "", "1X", "$TOKEN"] {
        let error = variable_name(token).unwrap_err();
        assert_eq!(error.class, Class::Config);
        assert!(token.is_empty() || !format!("{error:?}").contains(token), "{error:?}");
    }
    assert_eq!(variable_name("${GATEWAY_TOKEN}").unwrap(), "GATEWAY_TOKEN");
    let Command::Test(look) = typed(&["test", "x", "--header", "Authorization=Bearer s3cret"]).command else {
        unreachable!()
    };
    let error = credential(&look.auth).unwrap_err();
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

#[test]
fn credentials_are_what_the_flags_say() {
    let auth = |flags: &[&str]| {
        let Command::Test(look) = typed(&[&["test", "x"], flags].concat()).command else { unreachable!() };
        credential(&look.auth).unwrap()
    };
    assert!(auth(&[]).is_none());
    assert_eq!(auth(&["--bearer-env", "T"]).unwrap().describe(), "bearer ${T}");
    assert_eq!(auth(&["--api-key-env", "K"]).unwrap().describe(), "API key ${K} in x-api-key");
    assert_eq!(auth(&["--api-key-env", "K", "--api-key-header", "X-Key"]).unwrap().describe(), "API key ${K} in x-key");
    assert_eq!(auth(&["--basic-env", "U", "P"]).unwrap().describe(), "basic ${U} ${P}");
    assert_eq!(
        auth(&["--token-command", "vault read 'a b'"]).unwrap().method,
        Method::Command { argv: ["vault", "read", "a b"].map(str::to_owned).into() }
    );
    let headers = auth(&["--header", "X-Tenant=acme", "--header", "X-Auth=${T}"]).unwrap();
    assert_eq!(headers.variables().collect::<Vec<_>>(), [("T", None)]);
}

#[tokio::test]
async fn an_entry_is_written_shown_replaced_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-servers.json");
    std::fs::write(&file, r#"{"mcpServers": {"other": {"command": "x"}}}"#).unwrap();
    let add = ["add", "gw", "http://127.0.0.1:1/mcp", "--no-test", "--bearer-env", "T", "--exclude", "mcp-*"];
    let added = command(&file, &add).await;
    assert_eq!((added.code, &added.json["added"]), (0, &json!(["gw"])));
    assert!(text(&added.text).ends_with("→ pflow mcp sync gw\n"), "{}", added.text);
    let entry = &written(&file)["mcpServers"]["gw"];
    assert_eq!(entry["gateway"]["auth"], json!({"type": "bearer", "token": "${T}"}));
    assert_eq!(*entry, added.json["entries"]["gw"]);

    let again = command(&file, &add).await;
    assert_eq!((again.code, again.error.unwrap().class), (2, Class::Config));
    let replaced = command(&file, &["add", "gw", "http://127.0.0.1:2/mcp", "--no-test", "--replace"]).await;
    assert_eq!(replaced.code, 0);
    assert_eq!(written(&file)["mcpServers"]["gw"]["gateway"]["url"], "http://127.0.0.1:2/mcp");
    let listed = command(&file, &["list"]).await;
    assert_eq!(listed.json["gateways"][0]["gateway"], "gw");

    for (name, code) in [("other", 2), ("nobody", 2), ("http://127.0.0.1:2/mcp", 2), ("gw", 0)] {
        assert_eq!(command(&file, &["remove", name]).await.code, code, "{name}");
    }
    assert_eq!(written(&file), json!({"mcpServers": {"other": {"command": "x"}}}));
}

#[tokio::test]
async fn nothing_is_written_when_the_test_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-servers.json");
    // Nothing listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let added = command(&file, &["add", "gw", &format!("http://127.0.0.1:{port}/mcp"), "--timeout", "5"]).await;
    let error = added.error.unwrap();
    assert_eq!((added.code, error.class), (1, Class::Unreachable));
    assert!(error.hint.unwrap().contains("--no-test"));
    assert!(!file.exists());
}

#[tokio::test]
async fn adopting_and_back_gives_the_entry_that_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-servers.json");
    let entry = json!({"type": "http", "url": "https://gw.example/mcp", "auth": {"type": "api_key", "key": "${K}", "header": "X-Key"},
        "headers": {"x-team": "a"}, "timeout": 60, "note": {"by": "somebody else"}});
    let before = json!({"mcpServers": {"gw": entry, "z": {"command": "x"}}, "more": 1});
    std::fs::write(&file, before.to_string()).unwrap();
    let adopted = command(&file, &["adopt", "gw", "--no-test", "--include-service", "github"]).await;
    assert_eq!(adopted.code, 0, "{:?}", adopted.error);
    let gateway = &written(&file)["mcpServers"]["gw"];
    assert_eq!(gateway["gateway"]["services"], json!({"include": ["github"]}));
    assert_eq!((&gateway["note"], &gateway["env"]["K"]), (&entry["note"], &json!("${K}")));
    // Whoever is in a company's network tomorrow needs no other entry.
    assert_eq!(gateway["env"]["HTTPS_PROXY"], json!("${HTTPS_PROXY:-}"));
    assert_eq!(command(&file, &["adopt", "gw", "--no-test"]).await.code, 2, "a gateway already");
    assert_eq!(command(&file, &["adopt", "z", "--no-test"]).await.code, 2, "no gateway at all");
    assert_eq!(command(&file, &["adopt", "gw", "--undo"]).await.code, 0);
    let mut after = written(&file);
    after["mcpServers"]["gw"]["auth"]["header"] = "X-Key".into();
    assert_eq!(after, before, "header names have no case");
}

#[tokio::test]
async fn a_name_that_is_not_there_is_a_configuration_error_of_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-servers.json");
    for line in [
        vec!["test", "nobody"],
        vec!["services", "nobody"],
        vec!["tools", "nobody"],
        vec!["health", "nobody"],
        vec!["health"],
        vec!["call", "nobody", "tool"],
        vec!["adopt", "nobody"],
        vec!["remove", "nobody"],
    ] {
        let reply = command(&file, &line).await;
        let error = reply.error.unwrap_or_else(|| Error::new(Class::Internal, "none"));
        assert_eq!((reply.code, error.class, error.hint.is_some()), (2, Class::Config, true), "{line:?}: {error}");
        assert_eq!(reply.json["error"]["class"], "config", "{line:?}");
    }
    assert_eq!(command(&file, &["list"]).await.code, 0);
    std::fs::write(&file, "{\n  oops").unwrap();
    let broken = command(&file, &["list"]).await;
    assert!(broken.error.unwrap().message.contains("line 2, column 3"));
}

/// The demo gateway that all of these look at.
async fn demo(token: &str) -> Demo {
    let listen = "127.0.0.1:0".parse().unwrap();
    Demo::start(demo::Options { listen, token: token.to_owned(), page_size: NonZeroUsize::new(7).unwrap() })
        .await
        .unwrap()
}

/// pflow's settings hold the token: a test must not change the environment.
fn settings(folder: &Path, token: &str) {
    let settings = json!({"env": {"CLI_TEST_TOKEN": token}});
    std::fs::write(folder.join("settings.json"), settings.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_gateway_is_added_looked_at_and_called() {
    let demo = demo("secret-of-the-demo").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-servers.json");
    settings(folder.path(), "secret-of-the-demo");
    let header = "Authorization=Bearer ${CLI_TEST_TOKEN:-secret-of-the-demo}";
    let added = command(&file, &["add", "demo", &demo.url(), "--header", header, "--exclude-service", "weather"]).await;
    assert_eq!(added.code, 0, "{:?}", added.error);
    assert_eq!(added.json["test"]["tools"], 31);

    let services = command(&file, &["services", "demo"]).await;
    insta::assert_snapshot!("services of the demo", text(&services.text));
    let tools = command(&file, &["tools", "demo", "--service", "slack", "--read-only"]).await;
    insta::assert_snapshot!("read-only tools of one service", text(&tools.text));
    let called = command(&file, &["call", "demo", "slack_get_person", "--args", r#"{"user": "mara"}"#]).await;
    assert_eq!((called.code, &called.json["result"]["structuredContent"]["name"]), (0, &json!("Mara Lindqvist")));
    insta::assert_snapshot!("a call", text(&called.text));
    let failed = command(&file, &["call", "demo", "slack_get_person", "--args", r#"{"user": "nobody"}"#]).await;
    assert_eq!((failed.code, &failed.json["ok"]), (1, &json!(false)));
    let filtered = command(&file, &["call", "demo", "weather_list_cities"]).await;
    assert!(filtered.code > 0, "a call to a filtered tool is refused");
    let health = command(&file, &["health", "--json"]).await;
    assert!(health.text.is_empty(), "nobody wants it");
    assert_eq!((health.code, &health.json["status"]), (0, &json!("ok")));
    demo.stop().await;
    assert_eq!(command(&file, &["health"]).await.code, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wizard_asks_tests_and_writes_what_was_chosen() {
    let demo = demo("secret-of-the-wizard").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mcp-servers.json");
    let url = demo.url();
    let header = "Authorization=Bearer ${CLI_TEST_TOKEN:-secret-of-the-wizard}";
    let line = ["setup", "generic", "--url", &url, "--header", header, "--no-sync", "--config", file.to_str().unwrap()];
    let cli = typed(&line);
    let Command::Setup(wizard) = &cli.command else { unreachable!() };
    let context = Context::new("pflow-gateway", &cli.global);
    // A name, then services: first one that is not there, then a number and a name; then one entry per service.
    let mut answers = Answers::Scripted(VecDeque::from(["gw", "jira", "1, weather", "y"]));
    let reply = Output::from(setup::setup(&context, wizard, &mut answers).await);
    assert_eq!(reply.code, 0, "{:?}", reply.error);
    assert_eq!(reply.json["added"], json!(["gw_github", "gw_weather"]));
    assert_eq!(written(&file)["mcpServers"]["gw_weather"]["gateway"]["services"], json!({"include": ["weather"]}));

    // Nobody there: the usual answers, and another name since this one is taken now.
    let unattended = Output::from(setup::setup(&context, wizard, &mut Answers::Usual).await);
    assert_eq!(unattended.json["added"], json!(["gateway"]));
    let again = Output::from(setup::setup(&context, wizard, &mut Answers::Usual).await);
    assert_eq!(again.json["added"], json!(["gateway2"]));
    demo.stop().await;
    let dead = setup::setup(&context, wizard, &mut Answers::Usual).await;
    assert_eq!((dead.code, dead.error.unwrap().class), (1, Class::Unreachable));
}

fn failed_test() -> report::Test {
    let check = |name, ok, ms, detail: &str| report::Check { name, ok, ms, detail: detail.to_owned() };
    report::Test {
        gateway: "docker".to_owned(),
        url: "http://127.0.0.1:8811/mcp".to_owned(),
        ok: false,
        kind: None,
        protocol: None,
        era: None,
        checks: vec![
            check("resolve", Some(true), Some(0.04), "127.0.0.1"),
            check("connect", Some(true), Some(0.31), "127.0.0.1:8811"),
            check("tls", Some(true), None, "not used (http)"),
            check("auth", Some(false), Some(12.0), "401 \u{1b}[31mUnauthorized\u{1b}[0m\r\nnext line"),
            check("protocol", None, None, "not reached"),
            check("tools", None, None, "not reached"),
        ],
        tools: None,
        services: None,
        control_tools: None,
        unattributed: None,
        filtered_out: None,
        warnings: Vec::new(),
        findings: Vec::new(),
        error: Some(Error::new(Class::AuthRequired, "the gateway wants a token").with_hint("give it one")),
    }
}

#[test]
fn a_failed_test_shows_where_it_stopped() {
    insta::assert_snapshot!("a failed test", text(&render::test(&failed_test())));
}

#[test]
fn what_a_gateway_wrote_never_reaches_a_terminal_as_control_characters() {
    let reply = Reply::judged(render::test(&failed_test()), &failed_test(), failed_test().error);
    let shown = text(&reply.text);
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    let nasty = json!({"content": [{"type": "text", "text": "a\u{1b}]0;x\u{7}b"}, {"type": "ima\u{1b}ge", "mimeType": "image/png"}]});
    let shown = result::result(&nasty.into());
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
}

#[test]
fn health_shows_the_worst_and_why() {
    let service = |name: &str, status, tools, evidence: &str| report::ServiceHealth {
        evidence: vec![evidence.to_owned()],
        ..report::ServiceHealth::new(name, status, tools)
    };
    let at = "2026-11-23T02:00:00Z";
    let health = report::Health {
        status: Status::Unreachable,
        gateways: vec![
            report::GatewayHealth {
                latency_ms: Some(41.0),
                tools: Some(161),
                services: vec![
                    service("github", Status::Ok, 150, "GET /v1/gateways says reachable"),
                    service("slack", Status::Offline, 1, "GET /v1/gateways says unreachable"),
                ],
                vanished: vec!["jira".to_owned()],
                vanished_tools: vec!["jira_a".to_owned(), "jira_b".to_owned()],
                warnings: vec!["the list ends at 100 tools".to_owned()],
                expires_at: Some("2026-11-23T03:00:00Z".to_owned()),
                ..report::GatewayHealth::new("cf", Status::Degraded, at)
            },
            report::GatewayHealth {
                error: Some(Error::new(Class::Unreachable, "nothing listens on 127.0.0.1:8811").with_hint("start it")),
                ..report::GatewayHealth::new("docker", Status::Unreachable, at)
            },
        ],
        history_off: None,
    };
    insta::assert_snapshot!("health of two gateways", text(&render::health(&health)));
}

#[test]
fn a_guess_is_shown_as_one() {
    let service = |name: &str, attribution, confidence| report::Service {
        name: name.to_owned(),
        tools: 3,
        attribution,
        confidence,
        status: Status::Unknown,
        evidence: vec![format!("3 tools start with \"{name}__\"")],
    };
    let services = report::Services {
        left_out: 0,
        gateway: "custom".to_owned(),
        services: vec![
            service("declared", Attribution::Declared, Confidence::Certain),
            service("guessed", Attribution::Inferred, Confidence::Low),
        ],
        unattributed: 1,
        warnings: vec!["the list ends at 100 tools, a round number: it may be cut".to_owned()],
        findings: Vec::new(),
    };
    insta::assert_snapshot!("services of a custom gateway", text(&render::services(&services, render::Grounds::Shown)));
    let short = text(&render::services(&services, render::Grounds::LeftOut));
    assert!(short.contains("inferred (a guess)") && !short.contains("start with"), "{short}");
}

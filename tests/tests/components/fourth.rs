//! A fourth product: a change of the component alone. The wizard, `--kind`, tests, hints and completions follow.
//! Takes the guest in `tests/components/acme`, of which no line of the host knows.

use std::{fs, sync::Arc};

use pflow_gateway_tests::{
    generic::{Config, Generic},
    program::{Home, Run},
    server::Fake,
};
use serde_json::{Value, json};

use super::{bytes, component, home, put, run};

async fn gateway() -> Fake {
    Fake::start(Arc::new(Generic::new(Config::default()))).await.unwrap()
}

/// A home in which the component for ACME runs for every gateway.
async fn acme() -> Home {
    let home = home(&[]);
    put(&home, "acme.wasm", &bytes("acme"));
    let used = component(&home, &["use", "acme.wasm"]).await;
    assert_eq!(used.code, Some(0), "{used:?}");
    home
}

fn error(run: &Run) -> (String, String) {
    let error = &run.json()["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (text("message"), text("hint"))
}

fn written(home: &Home) -> Value {
    let file = fs::read(home.path().join(".pflow/mcp-servers.json")).unwrap();
    serde_json::from_slice::<Value>(&file).unwrap()["mcpServers"].clone()
}

#[tokio::test]
async fn a_product_is_added_by_its_name_where_the_component_knows_it_and_nowhere_else() {
    let (fake, home) = (gateway().await, acme().await);
    let added = run(&home, &["add", "shop", &fake.url(), "--kind", "acme", "--json"]).await;
    assert_eq!(added.code, Some(0), "{added:?}");
    assert_eq!(added.json()["test"]["kind"], "acme");
    assert_eq!(written(&home)["shop"]["gateway"]["kind"], "acme");
    let refused = run(&home, &["add", "other", &fake.url(), "--kind", "docker", "--json"]).await;
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert_eq!(error(&refused).0, "invalid value 'docker' for '--kind <KIND>' [possible values: acme, generic]");
    // Not said, it is found out.
    let found = run(&home, &["add", "found", &fake.url(), "--json"]).await;
    assert_eq!((found.code, &written(&home)["found"]["gateway"]["kind"]), (Some(0), &json!("acme")), "{found:?}");

    let reset = component(&home, &["reset"]).await;
    assert_eq!(reset.code, Some(0), "{reset:?}");
    let refused = run(&home, &["add", "third", &fake.url(), "--kind", "acme", "--json"]).await;
    let of_three = "invalid value 'acme' for '--kind <KIND>' [possible values: docker, context-forge, generic]";
    assert_eq!((refused.code, error(&refused).0.as_str()), (Some(2), of_three));
    // The entry is kept, and who opens it hears what is wrong with it.
    let tested = run(&home, &["test", "shop", "--json"]).await;
    assert!(
        error(&tested).0.contains("no product \"acme\" is known, only docker, context-forge, generic"),
        "{tested:?}"
    );
    assert_eq!(run(&home, &["list"]).await.code, Some(0));
    fake.stop();
}

#[tokio::test]
async fn the_wizard_and_the_help_have_the_products_of_the_component_and_a_script_for_a_shell_has_none() {
    let (fake, home) = (gateway().await, acme().await);
    let nobody = run(&home, &["setup", "acme", "--yes", "--json"]).await;
    let (message, hint) = error(&nobody);
    assert_eq!(message, "no ACME Tool Hub was found on this machine (port 9)");
    assert_eq!(hint, "start it with: acme hub start --port 9; or give its URL with --url");
    let set_up = run(&home, &["setup", "acme", "--url", &fake.url(), "--yes", "--no-sync", "--json"]).await;
    assert_eq!(set_up.code, Some(0), "{set_up:?}");
    assert_eq!(set_up.json()["added"], json!(["hub"]));
    assert_eq!(written(&home)["hub"]["gateway"]["kind"], "acme");
    let unknown = run(&home, &["setup", "docker", "--yes", "--json"]).await;
    assert_eq!(error(&unknown).0, "invalid value 'docker' for '[PRODUCT]' [possible values: acme, generic]");
    for words in [&["add", "--help"][..], &["setup", "-h"], &["help", "setup"]] {
        let told = run(&home, words).await;
        assert!(told.stdout.contains("acme") && !told.stdout.contains("context-forge"), "{words:?}: {}", told.stdout);
    }
    // A script is kept, and the component changes. Shells also run what stands between quotes in some places.
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = run(&home, &["completions", shell]).await.stdout;
        assert!(script.contains("kind"), "{shell}: {script}");
        for word in ["acme", "ACME Tool Hub", "context-forge"] {
            assert!(!script.contains(word), "{shell}: {word} in {script}");
        }
    }
    fake.stop();
}

#[tokio::test]
async fn tests_and_hints_are_in_the_words_of_the_product() {
    let (fake, home) = (gateway().await, acme().await);
    run(&home, &["add", "shop", &fake.url(), "--no-test"]).await;
    let tested = run(&home, &["test", "shop"]).await;
    assert!(tested.stdout.contains("ACME 7 (2025-11-25), acme: it answers GET"), "{tested:?}");
    assert!(tested.stdout.contains("shop (acme) works"), "{tested:?}");
    let called = run(&home, &["call", "shop", "send_mail", "--json"]).await;
    assert_eq!(
        error(&called),
        (
            "the service mail refuses the gateway's credential: signed out".to_owned(),
            "sign in with `acme login mail`; shop goes on by itself".to_owned()
        )
    );
    assert_eq!(called.json()["error"]["service"], "mail");
    let limited = run(&home, &["call", "shop", "find_customer", "why=quota", "--no-check", "--json"]).await;
    assert!(error(&limited).0.ends_with(": quota exhausted: 1000 of 1000"), "{limited:?}");
    fake.stop();
}

#[tokio::test]
async fn an_entry_that_starts_the_product_for_itself_is_told_what_to_run_instead() {
    let home = acme().await;
    let servers =
        json!({"mcpServers": {"ACME": {"command": "/opt/bin/acme", "args": ["hub", "--stdio", "x", "--eu"]}}});
    fs::write(home.path().join(".pflow/mcp-servers.json"), servers.to_string()).unwrap();
    let (message, hint) = error(&run(&home, &["test", "ACME", "--json"]).await);
    assert_eq!(message, "ACME is ACME Tool Hub, which pflow starts for itself and talks to over stdio");
    assert_eq!(
        hint,
        "start it once over HTTP, with ACME_KEY set: acme hub start --eu; then: pflow-gateway add hub http://127.0.0.1:9/hub \
         --bearer-env ACME_KEY"
    );
    assert_eq!(component(&home, &["reset"]).await.code, Some(0));
    let (message, _) = error(&run(&home, &["test", "ACME", "--json"]).await);
    assert!(message.contains("pflow starts itself"), "{message}");
}

#[tokio::test]
async fn what_is_hostile_among_products_reaches_no_screen_and_no_command_line() {
    let home = home(&[]);
    put(&home, "hostile.wasm", &bytes("hostile"));
    let told = run(&home, &["setup", "evil-1", "--yes", "--json", "--component", "hostile.wasm"]).await;
    let (message, hint) = error(&told);
    assert!(message.starts_with("no ") && message.contains("free"), "{told:?}");
    assert!(!format!("{message}{hint}").contains(['\u{1b}', '\n', '\u{202e}']), "{told:?}");
    // One that lacks what every component has to know.
    put(&home, "broken.wasm", &bytes("broken"));
    let told = run(&home, &["setup", "--yes", "--json", "--component", "broken.wasm"]).await;
    assert!(error(&told).0.contains("its products lack \"generic\""), "{told:?}");
}

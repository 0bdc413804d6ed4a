//! `docs/components/rust`: builds by the one command of its README, fits, does everything that the contract asks for, and its own rule
//! is seen at work.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use pflow_gateway::runtime::BUILT_IN;
use serde_json::Value;

use super::{component, home, put, run};

/// An imitation gateway as a process; ends when its stdin does.
struct FakeGateway {
    child: Child,
    url: String,
}

impl FakeGateway {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fake-gateway"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        Self { child, url: ready["url"].as_str().unwrap().to_owned() }
    }
}

impl Drop for FakeGateway {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Builds the template as its README says, in the target folder of the other guests.
fn build(gateway: &Path, output: &Path) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/components/rust");
    let target: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("guests");
    let status = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--locked", "--"])
        .arg(gateway)
        .arg(output)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "the template does not build");
}

#[tokio::test]
async fn the_rust_template_builds_fits_and_applies_its_rule() {
    let gateway = FakeGateway::start(&["generic", "--services", "crm:2,warehouse:1,github", "--separator", "."]);
    let home = home(&[("company", &gateway.url)]);
    put(&home, "gateway.wasm", BUILT_IN);
    let output = home.path().join("my-gateway.wasm");
    build(&home.path().join("gateway.wasm"), &output);

    let checked = component(&home, &["check", "my-gateway.wasm", "--json"]).await;
    let report = checked.json();
    assert_eq!((checked.code, &report["score"]["percent"]), (Some(0), &100.into()), "{report:#}");
    assert_eq!(report["score"]["not_offered"], 0, "{report:#}");

    let installed = component(&home, &["use", "my-gateway.wasm"]).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let listed = run(&home, &["tools", "company", "--json"]).await.json();
    let tools = listed["tools"].as_array().unwrap();
    let of = |service: &str| {
        let own: Vec<&Value> =
            tools.iter().filter(|tool| tool["name"].as_str().unwrap().starts_with(&format!("{service}."))).collect();
        assert!(!own.is_empty(), "no tool of {service}: {listed:#}");
        own.into_iter().map(|tool| (tool["service"].clone(), tool["attribution"].clone())).collect::<Vec<_>>()
    };
    for service in ["crm", "warehouse"] {
        assert!(of(service).iter().all(|found| *found == (service.into(), "declared".into())), "{listed:#}");
    }
    // The rule is about the company's systems alone; of others the built-in component says what it knows.
    assert!(of("github").iter().all(|(_, rung)| *rung != "declared"), "{listed:#}");

    let services = run(&home, &["services", "company", "--json"]).await.json();
    let crm = services["services"].as_array().unwrap().iter().find(|service| service["name"] == "crm").unwrap();
    assert_eq!((&crm["tools"], &crm["attribution"]), (&2.into(), &"declared".into()), "{services:#}");
    assert!(crm["evidence"].to_string().contains("the company's rule"), "{crm}");
}

//! What does not fit is refused before a byte of it is compiled or run, by the name of what is wrong, by every command.

use std::{collections::BTreeSet, fs, path::PathBuf};

use pflow_gateway_tests::program::Home;

use super::{anonymous, bytes, component, home, put, replaced, run};

/// A file that does not fit, and how it differs from one that does.
struct Misfit {
    name: &'static str,
    bytes: Vec<u8>,
}

fn misfits() -> Vec<Misfit> {
    let liar = bytes("liar");
    vec![
        Misfit { name: "empty", bytes: Vec::new() },
        Misfit { name: "text", bytes: b"(component)\n".to_vec() },
        Misfit { name: "core-module", bytes: b"\0asm\x01\0\0\0".to_vec() },
        Misfit { name: "empty-component", bytes: b"\0asm\x0d\0\x01\0".to_vec() },
        Misfit { name: "cut", bytes: liar[..liar.len() / 2].to_vec() },
        Misfit {
            name: "missing-export",
            bytes: replaced(&liar, "pflow:gateway/calls@0.2.0", "pflow:gateway/cells@0.2.0"),
        },
        Misfit { name: "other-version", bytes: replaced(&liar, "@0.2.0", "@0.3.0") },
        Misfit { name: "foreign-import", bytes: replaced(&liar, "pflow:gateway/log@0.2.0", "acme:secrets/read@1.0.0") },
        Misfit {
            name: "later-interface",
            bytes: replaced(&liar, "pflow:gateway/log@0.2.0", "pflow:gateway/nav@0.2.0"),
        },
    ]
}

/// What is kept of compiled components, for all tests.
fn compiled(home: &Home) -> BTreeSet<PathBuf> {
    let folder = home.path().join("cache/pflow-gateway");
    fs::read_dir(folder).map(|entries| entries.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
}

#[tokio::test]
async fn every_misfit_is_refused_by_the_name_of_what_is_wrong() {
    let home = home(&[]);
    let cache = home.path().join("cache").display().to_string();
    let home = home.with("XDG_CACHE_HOME", &cache);
    let mut told = String::new();
    for misfit in misfits() {
        let file = format!("{}.wasm", misfit.name);
        put(&home, &file, &misfit.bytes);
        let refused = component(&home, &["check", &file]).await;
        assert_eq!(refused.code, Some(1), "{}: {refused:?}", misfit.name);
        let text = anonymous(&format!("{}{}", refused.stdout, refused.stderr), home.path());
        told.push_str(&format!("$ component check {file}\n{text}\n"));

        let report = component(&home, &["check", &file, "--json"]).await.json();
        assert_eq!((&report["ok"], &report["error"]["class"]), (&false.into(), &"component".into()));
        let score = &report["score"];
        assert!(score["percent"].as_u64() < Some(5) && score["failed"].as_u64() > Some(90), "{}: {score}", misfit.name);

        for words in [
            &["component", "use", &file][..],
            &["component", "use", &file, "--gateway", "x"],
            &["component", "show", "--component", &file],
            &["tools", "http://127.0.0.1:9/mcp", "--component", &file],
        ] {
            let other = run(&home, words).await;
            assert_eq!(other.code, Some(1), "{words:?}: {other:?}");
            // The same error, in the same words.
            assert!(refused.stderr.contains(other.stderr.trim()), "{words:?}: {}", other.stderr);
        }
        assert!(!home.path().join(".pflow/gateway-components").exists(), "{} was installed", misfit.name);
        assert_eq!(compiled(&home), BTreeSet::new(), "{} was compiled", misfit.name);
    }
    insta::assert_snapshot!("refusals", told);
}

/// wasmtime compares the types when the functions are linked: after compiling, before anything runs.
#[tokio::test]
async fn other_types_under_the_same_names_never_run() {
    let home = home(&[]);
    put(&home, "other.wasm", &replaced(&bytes("liar"), "repeated-cursor", "repeated-cursox"));
    let run = component(&home, &["check", "other.wasm", "--interface", "filter"]).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    let text = format!("{}{}", run.stdout, run.stderr);
    assert!(text.contains("repeated-cursox"), "{text}");
}

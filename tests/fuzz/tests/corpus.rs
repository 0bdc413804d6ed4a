//! Every seed and every input that once broke a target, without libFuzzer: quick, and on every machine.

use std::{fs, path::Path};

use pflow_gateway_fuzz::TARGETS;

#[test]
fn what_was_found_before_holds() {
    TARGETS.into_iter().for_each(play);
}

fn play((name, run): (&str, fn(&[u8]))) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut inputs = 0;
    for entry in fs::read_dir(corpus).unwrap_or_else(|error| panic!("no seeds for {name}: {error}")) {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("a seed");
        if let Err(panic) = std::panic::catch_unwind(|| run(&bytes)) {
            eprintln!("{name}: {}", path.display());
            std::panic::resume_unwind(panic);
        }
        inputs += 1;
    }
    assert!(inputs > 2, "{name} has {inputs} seeds");
    run(b"");
}

#[test]
fn every_folder_of_the_corpus_is_a_targets() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in fs::read_dir(corpus).expect("the corpus") {
        let name = entry.expect("an entry").file_name();
        assert!(TARGETS.iter().any(|(known, _)| *known == name), "{}", name.display());
    }
}

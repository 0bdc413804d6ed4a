//! No product in the host: what is known of one is a component's business.
//! Takes the sources of the host; fails on the name, a flag, a sentence, a variable or a path of a product in what is compiled.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::shell::root;

/// Names, and what only one product says, takes or answers at.
const OF_PRODUCTS: &[&str] = &[
    "docker",
    "contextforge",
    "context-forge",
    "context_forge",
    "mcpgateway",
    "mcp_gateway_auth",
    "fastmcp",
    "virtual server",
    "/servers/",
    "block-secrets",
    "policy denied",
    "--transport",
    "4444",
];

/// What may know them, and why.
const EXEMPT: &[(&str, &str)] = &[
    ("demo/src", "imitates services"),
    ("conformance/src", "imitates gateways, to see what a component makes of them"),
    (
        "src/config/usual_paths.rs",
        "what a credential is for is the host's decision, and never a component's (decision 0014)",
    ),
    ("cli/src/examples.rs", "names of entries in examples"),
    ("src/imports", "knows other clients' files, and the programs in them that only pass messages on"),
];

#[test]
fn no_line_of_the_host_is_about_a_product() {
    let sources = root().join("host");
    let mut found = Vec::new();
    for file in rust_files(&sources) {
        let name = file.strip_prefix(&sources).unwrap().to_string_lossy().replace('\\', "/");
        if EXEMPT.iter().any(|(exempt, _)| name.starts_with(exempt)) || name.contains("tests") {
            continue;
        }
        // What the parser of the command line makes of comments is read by users.
        let comments_count = name.starts_with("cli/src/args/");
        for (number, line) in compiled(&fs::read_to_string(&file).unwrap()) {
            let comment = line.trim_start().starts_with("//");
            let text = line.to_ascii_lowercase();
            if (!comment || comments_count) && OF_PRODUCTS.iter().any(|word| text.contains(word)) {
                found.push(format!("{name}:{number}: {}", line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "these belong into component/src/gateways:\n{}", found.join("\n"));
}

/// Lines before the module of tests, with their numbers.
fn compiled(text: &str) -> Vec<(usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.take_while(|(_, line)| *line != "#[cfg(test)]").collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

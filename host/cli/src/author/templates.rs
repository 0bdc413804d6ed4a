//! Beginnings of components, one per language: the examples of `docs/components`, in a folder that stands by itself.
//! Takes a language and a name; gives files. What an example says of places in this project is made to say the same of the new folder.

use crate::args::Language;

/// A file of a new project: its place, and its text.
pub(super) type FileOf = (String, String);

/// Where the contract and the component's own world are in a new project.
pub(super) const CONTRACT: &str = "wit";
pub(super) const WORLD: &str = "world";

const RUST: &str = include_str!("../../../../docs/components/rust/rule/src/lib.rs");
const RUST_MANIFEST: &str = include_str!("../../../../docs/components/rust/rule/Cargo.toml");
const PYTHON: &str = include_str!("../../../../docs/components/python/app.py");
const PYTHON_WORLD: &str = include_str!("../../../../docs/components/python/wit/part.wit");
const PYTHON_NEEDS: &str = include_str!("../../../../docs/components/python/requirements.txt");
const JAVASCRIPT: &str = include_str!("../../../../docs/components/javascript/app.js");
const JAVASCRIPT_BUILD: &str = include_str!("../../../../docs/components/javascript/build.mjs");
const JAVASCRIPT_WORLD: &str = include_str!("../../../../docs/components/javascript/wit/part.wit");
const JAVASCRIPT_PACKAGE: &str = include_str!("../../../../docs/components/javascript/package.json");
const JAVASCRIPT_LOCK: &str = include_str!("../../../../docs/components/javascript/package-lock.json");

/// How small and fast Rust's are.
const PROFILE: &str = "
[profile.release]
opt-level = \"s\"
lto = true
codegen-units = 1
panic = \"abort\"
strip = true

# This folder is a project of its own, whatever it lies in.
[workspace]
";

/// The files of a new component, without the contract.
pub(super) fn files(language: Language, name: &str) -> Vec<FileOf> {
    let file = |place: &str, text: &str| (place.to_owned(), text.to_owned());
    match language {
        Language::Rust => vec![
            file(
                "Cargo.toml",
                &format!("{}{PROFILE}", RUST_MANIFEST.replace("name = \"rule\"", &format!("name = \"{name}\""))),
            ),
            file("src/lib.rs", &RUST.replace("path: \"../../../../wit\"", "path: \"wit\"")),
            file(".gitignore", "/target\n*.wasm\n"),
        ],
        Language::Python => vec![
            file("app.py", &PYTHON.replace("pflow-gateway-compose", "pflow-gateway component compose")),
            file("requirements.txt", PYTHON_NEEDS),
            file(&format!("{WORLD}/part.wit"), PYTHON_WORLD),
            file(".gitignore", "*.wasm\n"),
        ],
        Language::Javascript => vec![
            file("app.js", JAVASCRIPT),
            file(
                "build.mjs",
                &JAVASCRIPT_BUILD
                    .replace("'../../../wit'", "'wit'")
                    .replace("join(here, 'wit'), wit", "join(here, 'world'), wit"),
            ),
            file(&format!("{WORLD}/part.wit"), JAVASCRIPT_WORLD),
            file("package.json", &JAVASCRIPT_PACKAGE.replace("\"status-page\"", &format!("\"{name}\""))),
            file("package-lock.json", &JAVASCRIPT_LOCK.replace("\"status-page\"", &format!("\"{name}\""))),
            file(".gitignore", "/node_modules\n*.wasm\n"),
        ],
    }
}

/// The world of a template's part, as the tool for Python wants it named.
pub(super) fn world(text: &str) -> Option<String> {
    let word = |start: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(start))
            .map(|rest| rest.trim_end_matches(['{', ';', ' ']).trim())
    };
    Some(format!("{}/{}", word("package ")?, word("world ")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_names_nothing_outside_of_itself() {
        for language in [Language::Rust, Language::Python, Language::Javascript] {
            let files = files(language, "my-part");
            for (place, text) in &files {
                assert!(!text.contains("../../"), "{place} names a folder of this project");
                assert!(!text.contains("pflow-gateway-compose "), "{place} names a program that nobody has");
            }
            assert!(files.iter().any(|(_, text)| text.contains("my-part")) || language == Language::Python);
        }
        assert_eq!(world(PYTHON_WORLD).as_deref(), Some("example:data-class/part"));
    }
}

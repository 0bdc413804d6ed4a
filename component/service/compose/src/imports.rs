//! What a part may import.
//! Takes the names of its imports; gives what is wrong with them. Never lets one through that nobody here is to give it: the engine might,
//! past the part that guards it.

use std::collections::BTreeMap;

/// What any part may have of the engine: it leads nowhere.
const OF_THE_ENGINE: [&str; 16] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
];

/// The same, of a source of randomness.
const RANDOM: &str = "wasi:random/";

/// Why the part cannot be taken.
pub(crate) fn wrong(part: &str, imports: &[String], wired: &[&str]) -> Option<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for import in imports {
        versions.entry(base(import)).or_default().push(import);
    }
    let twice: Vec<String> =
        versions.values().filter(|names| names.len() > 1).map(|names| names.join(" and ")).collect();
    if !twice.is_empty() {
        return Some(format!(
            "{part} imports two versions of one interface, which two parts would have to give: {} → build all of it against one version of WASI",
            twice.join(", ")
        ));
    }
    let known = |name: &str| OF_THE_ENGINE.contains(&name) || name.starts_with(RANDOM) || wired.contains(&name);
    let unknown: Vec<&str> = imports.iter().map(String::as_str).filter(|import| !known(base(import))).collect();
    if unknown.is_empty() {
        return None;
    }
    Some(format!(
        "{part} imports what the service does not provide: {} → a service has no files, no sockets and nothing of its host's; build the component without them",
        unknown.join(", ")
    ))
}

/// An interface without its version.
pub(crate) fn base(import: &str) -> &str {
    import.split('@').next().unwrap_or(import)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(imports: &[&str]) -> Option<String> {
        let imports: Vec<String> = imports.iter().map(|name| (*name).to_owned()).collect();
        wrong("the gateway component", &imports, &["pflow:gateway/log", "wasi:http/outgoing-handler"])
    }

    #[test]
    fn what_the_world_has_is_taken() {
        assert_eq!(
            told(&[
                "pflow:gateway/log@0.2.0",
                "wasi:http/outgoing-handler@0.2.12",
                "wasi:io/poll@0.2.12",
                "wasi:random/random@0.2.12"
            ]),
            None
        );
    }

    #[test]
    fn two_versions_of_one_interface_are_named() {
        let told = told(&["wasi:io/poll@0.2.10", "wasi:http/outgoing-handler@0.2.12", "wasi:io/poll@0.2.12"]);
        assert!(
            told.as_deref().is_some_and(|told| told.contains("wasi:io/poll@0.2.10 and wasi:io/poll@0.2.12")),
            "{told:?}"
        );
    }

    #[test]
    fn another_way_out_than_the_guarded_one_is_named() {
        let told = told(&[
            "wasi:sockets/tcp@0.2.9",
            "pflow:gateway/log@0.2.0",
            "acme:host/shell@1.0.0",
            "wasi:filesystem/types@0.2.9",
        ]);
        let named = "wasi:sockets/tcp@0.2.9, acme:host/shell@1.0.0, wasi:filesystem/types@0.2.9";
        assert!(told.as_deref().is_some_and(|told| told.contains(named)), "{told:?}");
    }
}

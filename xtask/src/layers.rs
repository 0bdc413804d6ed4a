//! Which module may know which.
//! Takes the sources of the host and of the component; fails on an import that goes up or sideways. A circle between modules means that none
//! of them can be used, tested or understood without the others, and it comes back with a single `use`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, File, Item, UseTree, visit::Visit};

use crate::shell::root;

/// From the ground up: a module may use those of the floors below its own.
const HOST: &[&[&str]] = &[
    &["clock", "deadline", "digest", "error", "jitter", "scrub", "spelling"],
    &["demo", "files", "json", "setting"],
    &["folder", "report"],
    &["egress", "fit", "history"],
    &["arguments", "runtime"],
    &["catalogue", "components"],
    &["config"],
    &["conformance", "definitions", "imports"],
    &["gateway"],
    &["health", "seen", "serve"],
    &["fuzzing", "monitor"],
    &["cli"],
];

const COMPONENT: &[&[&str]] = &[
    &["glob", "http", "model", "text", "time"],
    &["accidents", "health", "names", "state"],
    &["filter", "mcp", "verdicts"],
    &["gateways"],
    &["attribution", "classify", "failure"],
    &["review", "session"],
    &["catalog"],
    &["conversation"],
    &["guest"],
];

const FRONT: &[&[&str]] = &[
    &["answer", "failure", "request", "rpc"],
    &["call", "delivery"],
    &["upstream"],
    &["door", "guard", "seal"],
    &["catalog", "ready"],
    &["pages"],
    &["service"],
    &["guest"],
];

const EGRESS: &[&[&str]] = &[&["credential", "mask", "policy", "tally"], &["guest"]];

const BRIDGE: &[&[&str]] = &[&["event", "line"], &["guest"]];

#[test]
fn no_module_of_the_service_knows_one_above_it() {
    hold(&root().join("component/service/front/src"), FRONT);
    hold(&root().join("component/service/egress/src"), EGRESS);
    hold(&root().join("component/service/bridge/src"), BRIDGE);
}

#[test]
fn no_module_of_the_host_knows_one_above_it() {
    hold(&root().join("host/src"), HOST);
}

#[test]
fn no_module_of_the_component_knows_one_above_it() {
    hold(&root().join("component/src"), COMPONENT);
}

fn hold(sources: &Path, floors: &[&[&str]]) {
    let floor: BTreeMap<&str, usize> =
        floors.iter().enumerate().flat_map(|(floor, names)| names.iter().map(move |name| (*name, floor))).collect();
    let owners = reexports(&sources.join("lib.rs"));
    let mut wrong = Vec::new();
    for (module, file) in files(sources) {
        let Some(own) = floor.get(module.as_str()) else {
            wrong.push(format!("{module} has no floor: give it one in xtask/src/layers.rs"));
            continue;
        };
        for used in imports(&parsed(&file)) {
            let used = owners.get(&used).unwrap_or(&used);
            match floor.get(used.as_str()) {
                Some(_) if *used == module => {}
                Some(theirs) if theirs < own => {}
                Some(_) => wrong.push(format!("{} uses {used}, which is not below {module}", file.display())),
                // A constant, a macro, or the generated bindings of the crate itself.
                None => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every file that is not a test, with its module of the first level.
fn files(sources: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut open = vec![sources.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                open.extend((name != "tests").then_some(path));
                continue;
            }
            let below = path.strip_prefix(sources).unwrap();
            let module = below.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
            if path.extension().is_some_and(|kind| kind == "rs") && !["lib", "main", "tests"].contains(&&*name) {
                found.push((module, path));
            }
        }
    }
    found.sort();
    found
}

fn parsed(file: &Path) -> File {
    let text = fs::read_to_string(file).unwrap();
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What the crate shows at its root, and whose it is: `Error` is `error`'s.
fn reexports(lib: &Path) -> BTreeMap<String, String> {
    fn names(tree: &UseTree, owner: &str, into: &mut BTreeMap<String, String>) {
        match tree {
            UseTree::Name(name) => {
                into.insert(name.ident.to_string(), owner.to_owned());
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| names(tree, owner, into)),
            _ => {}
        }
    }
    let mut owners = BTreeMap::new();
    for item in parsed(lib).items {
        if let Item::Use(item) = item
            && let UseTree::Path(path) = item.tree
        {
            names(&path.tree, &path.ident.to_string(), &mut owners);
        }
    }
    owners
}

/// The first names behind `crate::`, but for tests.
fn imports(file: &File) -> BTreeSet<String> {
    let mut seen = Imports(BTreeSet::new());
    seen.visit_file(file);
    seen.0
}

struct Imports(BTreeSet<String>);

impl Imports {
    fn first(&mut self, tree: &UseTree) {
        match tree {
            UseTree::Path(path) => {
                self.0.insert(path.ident.to_string());
            }
            UseTree::Name(name) => {
                self.0.insert(name.ident.to_string());
            }
            UseTree::Rename(rename) => {
                self.0.insert(rename.ident.to_string());
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.first(tree)),
            UseTree::Glob(_) => {}
        }
    }
}

fn is_of_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string().contains("test"))
    })
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_of_tests(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_of_tests(&function.attrs) {
            syn::visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_use_tree(&mut self, tree: &'ast UseTree) {
        if let UseTree::Path(path) = tree
            && path.ident == "crate"
        {
            self.first(&path.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = path.segments.iter();
        if segments.next().is_some_and(|first| first.ident == "crate")
            && let Some(second) = segments.next()
        {
            self.0.insert(second.ident.to_string());
        }
        syn::visit::visit_path(self, path);
    }
}

#[test]
fn an_import_is_seen_however_it_is_written_and_those_of_tests_are_not() {
    let text = "
        use crate::{a::B, c, d::{self, E}};
        pub(crate) use crate::f::G as H;
        #[cfg(test)] mod tests { use crate::i; }
        #[cfg(all(test, unix))] use crate::j;
        fn k() -> crate::l::M { crate::n::o(); let _: Vec<crate::p::Q> = vec![]; }
        use super::r; use s::crate_t;";
    let found = imports(&syn::parse_file(text).unwrap());
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a", "c", "d", "f", "l", "n", "p"]);
}

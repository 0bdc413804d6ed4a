//! Which module may know which.
//! Takes the sources of the host and of the component; fails on an import that goes up or sideways. A circle between modules means that none
//! of them can be used, tested or understood without the others, and it comes back with a single `use`. The same within the host's
//! `gateway`, whose parts are small because none of them knows the whole.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{Attribute, File, Item, ItemMod, UseTree, visit::Visit};

use serde_json::Value;

use crate::shell::{cargo, output, root};

/// Which of our crates may know which, from the ground up: a crate may use those of the floors below its own. Cargo refuses a circle by
/// itself, and nobody but this list refuses an egress that knows a command line.
const CRATES: &[&[&str]] = &[
    &["pflow-gateway-advice", "pflow-gateway-service-settings", "pflow-gateway-unseen"],
    &["pflow-gateway-base"],
    &["pflow-gateway-host-egress", "pflow-gateway-demo"],
    &["pflow-gateway-runtime"],
    &["pflow-gateway-conformance", "pflow-gateway"],
    &["pflow-gateway-cli"],
    &["pflow-gateway-python"],
];

/// From the ground up: a module may use those of the floors below its own.
const HOST: &[&[&str]] = &[
    &["report"],
    &["fit", "history"],
    &["arguments"],
    &["catalogue", "components"],
    &["config"],
    &["definitions", "imports"],
    &["gateway"],
    &["health", "seen", "serve"],
    &["fuzzing", "monitor"],
];

const BASE: &[&[&str]] = &[
    &[
        "access", "clock", "deadline", "digest", "ending", "error", "jitter", "listener", "programs", "scrub",
        "spelling", "sync",
    ],
    &["files", "json", "random", "setting"],
    &["advice", "folder"],
];

/// Within `gateway`: the five parts stand in the order events, session, instances, attempt, catalogue.
const GATEWAY: &[&[&str]] = &[
    &["background", "convert", "failure", "remedy", "stdio"],
    &["explain"],
    &["peer"],
    &["events", "verdicts"],
    &["current"],
    &["session"],
    &["instances"],
    &["attempt"],
    &["catalogue"],
    &["takeover"],
    &["parts"],
    &["call", "reports"],
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
    &["call", "delivery", "params"],
    &["upstream"],
    &["authentication", "guard", "seal"],
    &["catalog", "ready"],
    &["pages"],
    &["service"],
    &["guest"],
];

const EGRESS: &[&[&str]] = &[&["credential", "mask", "policy", "tally"], &["passing"], &["guest"]];

const BRIDGE: &[&[&str]] = &[&["event", "line"], &["guest"]];

#[test]
fn no_module_of_the_service_knows_one_above_it() {
    hold(&root().join("component/service/front/src"), &[], FRONT);
    hold(&root().join("component/service/egress/src"), &[], EGRESS);
    hold(&root().join("component/service/bridge/src"), &[], BRIDGE);
}

#[test]
fn no_module_of_the_host_knows_one_above_it() {
    hold(&root().join("host/src"), &[], HOST);
    hold(&root().join("host/base/src"), &[], BASE);
}

#[test]
fn no_crate_of_the_host_knows_one_above_it() {
    let said = output(cargo().args(["metadata", "--locked", "--no-deps", "--format-version", "1"])).unwrap();
    let metadata: Value = serde_json::from_str(&said).unwrap();
    let ours: BTreeMap<String, Vec<String>> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            // What only tests it does not count: tests may look from above.
            let parts = package["dependencies"].as_array().unwrap().iter().filter(|part| part["kind"].is_null());
            (text(&package["name"]), parts.map(|part| text(&part["name"])).collect())
        })
        .collect();
    assert_eq!(above(&ours, CRATES), Vec::<String>::new());
    let known: BTreeSet<&str> = CRATES.concat().into_iter().collect();
    let of_the_host = metadata["packages"].as_array().unwrap().iter().filter(|package| {
        let manifest = text(&package["manifest_path"]);
        Path::new(&manifest).strip_prefix(root()).is_ok_and(|below| below.starts_with("host"))
    });
    for package in of_the_host {
        let name = text(&package["name"]);
        assert!(known.contains(name.as_str()), "{name} has no floor: give it one in xtask/src/layers.rs");
    }
}

#[test]
fn a_crate_that_knows_one_above_or_beside_it_is_found() {
    let ours = |parts: &[(&str, &str)]| -> BTreeMap<String, Vec<String>> {
        parts.iter().map(|(name, part)| ((*name).to_owned(), vec![(*part).to_owned()])).collect()
    };
    assert_eq!(above(&ours(&[("b", "a"), ("c", "serde")]), &[&["a"], &["b", "c"]]), Vec::<String>::new());
    assert_eq!(above(&ours(&[("a", "b")]), &[&["a"], &["b", "c"]]), ["a uses b, which is not below it"]);
    assert_eq!(above(&ours(&[("b", "c")]), &[&["a"], &["b", "c"]]), ["b uses c, which is not below it"]);
    assert_eq!(above(&ours(&[("b", "x")]), &[&["a"], &["b"]]), Vec::<String>::new(), "somebody else's");
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The crates that use one that is not below them.
fn above(ours: &BTreeMap<String, Vec<String>>, floors: &[&[&str]]) -> Vec<String> {
    let floor = |name: &str| floors.iter().position(|names| names.contains(&name));
    let mut wrong = Vec::new();
    for (name, parts) in ours {
        let Some(own) = floor(name) else { continue };
        for part in parts {
            if floor(part).is_some_and(|theirs| theirs >= own) {
                wrong.push(format!("{name} uses {part}, which is not below it"));
            }
        }
    }
    wrong
}

#[test]
fn no_part_of_a_gateway_knows_one_above_it() {
    hold(&root().join("host/src"), &["gateway"], GATEWAY);
}

#[test]
fn no_module_of_the_component_knows_one_above_it() {
    hold(&root().join("component/src"), &[], COMPONENT);
}

fn hold(sources: &Path, within: &[&str], floors: &[&[&str]]) {
    let wrong = wrong(sources, within, floors);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The imports that go up or sideways among the modules of a crate, or of one of its modules.
fn wrong(sources: &Path, within: &[&str], floors: &[&[&str]]) -> Vec<String> {
    let floor: BTreeMap<&str, usize> =
        floors.iter().enumerate().flat_map(|(floor, names)| names.iter().map(move |name| (*name, floor))).collect();
    let folder = within.iter().fold(sources.to_owned(), |folder, name| folder.join(name));
    let face = folder.join(if within.is_empty() { "lib.rs" } else { "mod.rs" });
    let owners = reexports(&parsed(&face), within);
    let mut wrong = Vec::new();
    for file in files(&folder) {
        let path = module_of(sources, &file);
        let Some(module) = path.get(within.len()) else { continue };
        let Some(own) = floor.get(module.as_str()) else {
            wrong.push(format!("{module} has no floor: give it one in xtask/src/layers.rs"));
            continue;
        };
        for used in imports(&parsed(&file), &path).iter().filter_map(|used| below(used, within)) {
            let used = owners.get(used).map_or(used, String::as_str);
            match floor.get(used) {
                Some(_) if used == module => {}
                Some(theirs) if theirs < own => {}
                Some(_) => wrong.push(format!("{} uses {used}, which is not below {module}", file.display())),
                // A constant, a macro, or the generated bindings of the crate itself.
                None if within.is_empty() => {}
                None => wrong.push(format!("{} uses {used}, which is above all parts", file.display())),
            }
        }
    }
    wrong
}

/// The first name of a path behind these.
fn below<'a>(path: &'a [String], within: &[&str]) -> Option<&'a str> {
    let (start, rest) = path.split_at_checked(within.len())?;
    if start.iter().ne(within.iter()) {
        return None;
    }
    rest.first().map(String::as_str)
}

/// Every file that is not a test.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                open.extend((name != "tests").then_some(path));
            } else if path.extension().is_some_and(|kind| kind == "rs") && !["lib", "main", "tests"].contains(&&*name) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The names of the module that a file is, from the crate's root on.
fn module_of(sources: &Path, file: &Path) -> Vec<String> {
    let below = file.strip_prefix(sources).unwrap().with_extension("");
    let names = below.iter().map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name != "mod").collect()
}

fn parsed(file: &Path) -> File {
    let text = fs::read_to_string(file).unwrap();
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What a crate or a module shows as its own, and which of its modules that is from: `Error` is `error`'s.
fn reexports(face: &File, within: &[&str]) -> BTreeMap<String, String> {
    let at: Vec<String> = within.iter().map(|name| (*name).to_owned()).collect();
    let mut owners = BTreeMap::new();
    for item in &face.items {
        let Item::Use(item) = item else { continue };
        for path in paths(&item.tree) {
            let path = absolute(&path, &at).unwrap_or_else(|| at.iter().cloned().chain(path).collect());
            if let (Some(owner), Some(name)) = (below(&path, within), path.last()) {
                owners.insert(name.clone(), owner.to_owned());
            }
        }
    }
    owners
}

/// All paths of a `use`, each to its last name.
fn paths(tree: &UseTree) -> Vec<Vec<String>> {
    match tree {
        UseTree::Path(path) => {
            let behind = |mut rest: Vec<String>| {
                rest.insert(0, path.ident.to_string());
                rest
            };
            paths(&path.tree).into_iter().map(behind).collect()
        }
        UseTree::Name(name) if name.ident == "self" => vec![Vec::new()],
        UseTree::Name(name) => vec![vec![name.ident.to_string()]],
        UseTree::Rename(rename) => vec![vec![rename.ident.to_string()]],
        UseTree::Group(group) => group.items.iter().flat_map(paths).collect(),
        UseTree::Glob(_) => vec![Vec::new()],
    }
}

/// A path as it is written in this module, from the crate's root on. None: it begins with another crate, or a name that is here.
fn absolute(path: &[String], here: &[String]) -> Option<Vec<String>> {
    let supers = path.iter().skip_while(|name| *name == "self").take_while(|name| *name == "super").count();
    let rest = path.iter().skip_while(|name| *name == "self" || *name == "super");
    match path.first()?.as_str() {
        "crate" => Some(path.iter().skip(1).cloned().collect()),
        "self" | "super" => {
            let up = here.len().checked_sub(supers)?;
            Some(here.iter().take(up).chain(rest).cloned().collect())
        }
        _ => None,
    }
}

/// What a file of this module uses of its own crate, from the root on, but for tests.
fn imports(file: &File, module: &[String]) -> BTreeSet<Vec<String>> {
    let mut seen = Imports { here: module.to_vec(), found: BTreeSet::new() };
    seen.visit_file(file);
    seen.found
}

struct Imports {
    here: Vec<String>,
    found: BTreeSet<Vec<String>>,
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

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.here.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
        self.here.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let used = paths(&item.tree);
        self.found.extend(used.iter().filter_map(|path| absolute(path, &self.here)));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let written: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.found.extend(absolute(&written, &self.here));
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
        use super::{super::r, *}; use s::crate_t;
        mod u { use super::v::W; fn x() { super::super::y::z() } }";
    let here = ["m".to_owned(), "n".to_owned()];
    let found = imports(&syn::parse_file(text).unwrap(), &here);
    let found: Vec<String> = found.into_iter().map(|path| path.join("::")).collect();
    let expected = ["a::B", "c", "d", "d::E", "f::G", "l::M", "m", "m::n::v::W", "m::y::z", "n::o", "p::Q", "r"];
    assert_eq!(found, expected);
}

#[test]
fn a_circle_among_the_parts_of_a_module_is_found_whichever_way_it_is_written() {
    let folder = std::env::temp_dir().join(format!("layers-{}", std::process::id()));
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write("house/mod.rs", "mod low; mod high; pub use self::high::{Roof, roof}; pub struct House;");
    write("house/low/mod.rs", "pub struct Floor;");
    write("house/high.rs", "use super::low::Floor; use crate::yard::Tree; pub struct Roof;");
    let of = |text: &str| {
        write("house/low/deep.rs", text);
        wrong(&folder, &["house"], &[&["low"], &["high"]])
    };
    assert_eq!(of("use super::Floor; use crate::yard::Tree;"), Vec::<String>::new());
    for (text, says) in [
        ("use super::super::high::Roof;", "uses high, which is not below low"),
        ("use crate::house::{low::Floor, high};", "uses high, which is not below low"),
        ("fn up() { crate::house::high::roof() }", "uses high, which is not below low"),
        ("use crate::house::Roof;", "uses high, which is not below low"),
        ("use crate::house::House;", "uses House, which is above all parts"),
    ] {
        let wrong = of(text);
        assert!(matches!(wrong.as_slice(), [wrong] if wrong.ends_with(says)), "{text}: {wrong:?}");
    }
    fs::remove_dir_all(&folder).unwrap();
}

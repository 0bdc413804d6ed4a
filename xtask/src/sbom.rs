//! What the program and the component are made of: a `CycloneDX` list of their crates, and the same in the program itself.
//! Takes cargo's own word (`cargo metadata`, `Cargo.lock`); gives JSON that is the same for the same sources. Names no path of this machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
};

use flate2::{Compression, write::ZlibEncoder};
use serde_json::{Value, json};

use crate::shell::{Doing as _, Failure, Result, cargo, command, output, root, run, say, succeeds};

/// What is shipped for a system: the first is the program.
const SHIPPED: [&str; 3] = ["pflow-gateway-cli", "pflow-gateway-python", "pflow-gateway-component"];
/// What the service is put together of.
const SERVICE: [&str; 4] =
    ["pflow-gateway-front", "pflow-gateway-bridge", "pflow-gateway-egress", "pflow-gateway-component"];
/// WebAssembly, as the component is compiled.
const WASI: &str = "wasm32-wasip2";
/// Where `cargo auditable` puts its list, and where its readers look.
const SECTION: &str = ".dep-v0";

/// The crates of what is shipped.
pub(crate) struct Crates {
    /// The package that the list is called after.
    first: &'static str,
    packages: BTreeMap<String, Value>,
    /// By id: what it is made of.
    edges: BTreeMap<String, BTreeSet<String>>,
    checksums: BTreeMap<(String, String), String>,
}

impl Crates {
    /// As cargo resolves them for this machine.
    pub(crate) fn read() -> Result<Self> {
        let about = output(command("rustc").arg("-vV"))?;
        let host = about.lines().find_map(|line| line.strip_prefix("host: "));
        Self::read_for(host.ok_or_else(|| Failure("rustc -vV does not say for which host it is".into()))?)
    }

    /// As cargo resolves them for this target.
    pub(crate) fn read_for(host: &str) -> Result<Self> {
        // The program's platform and the component's: what only others need is not in them.
        Self::made_into(SHIPPED, &[host, WASI])
    }

    /// Those of the service, which is the same everywhere.
    pub(crate) fn of_the_service() -> Result<Self> {
        Self::made_into(SERVICE, &[WASI])
    }

    fn made_into<const N: usize>(shipped: [&'static str; N], platforms: &[&str]) -> Result<Self> {
        let platforms = platforms.iter().flat_map(|platform| ["--filter-platform", platform]);
        let said = output(cargo().args(["metadata", "--locked", "--format-version", "1"]).args(platforms))?;
        let lock = fs::read_to_string(root().join("Cargo.lock")).doing("cannot read Cargo.lock")?;
        Self::of(&shipped, &said, &lock)
    }

    /// Into a file, as `CycloneDX`.
    pub(crate) fn write(&self, file: &Path) -> Result {
        fs::write(file, format!("{:#}\n", self.cyclonedx())).doing(format!("cannot write {}", file.display()))
    }

    fn of(shipped: &[&'static str], metadata: &str, lock: &str) -> Result<Self> {
        let unexpected = || Failure("cargo metadata said something else than it used to".into());
        let metadata: Value = serde_json::from_str(metadata).map_err(|_| unexpected())?;
        let text = |value: &Value, name: &str| member(value, name).as_str().map(str::to_owned);
        let all: BTreeMap<String, &Value> = member(&metadata, "packages")
            .as_array()
            .ok_or_else(unexpected)?
            .iter()
            .filter_map(|package| Some((text(package, "id")?, package)))
            .collect();
        let nodes: BTreeMap<String, &Value> = member(member(&metadata, "resolve"), "nodes")
            .as_array()
            .ok_or_else(unexpected)?
            .iter()
            .filter_map(|node| Some((text(node, "id")?, node)))
            .collect();
        let roots = all.iter().filter(|(_, package)| shipped.iter().any(|name| is_called(package, name)));
        let mut open: Vec<String> = roots.map(|(id, _)| id.clone()).collect();
        let first = shipped.first().copied().unwrap_or_default();
        let mut crates = Self { first, packages: BTreeMap::new(), edges: BTreeMap::new(), checksums: checksums(lock) };
        while let Some(id) = open.pop() {
            if crates.packages.contains_key(&id) {
                continue;
            }
            let (package, node) = all.get(&id).zip(nodes.get(&id)).ok_or_else(unexpected)?;
            crates.packages.insert(id.clone(), (*package).clone());
            let linked = |dep: &&Value| {
                // What only builds or tests it is not in it.
                member(dep, "dep_kinds")
                    .as_array()
                    .is_some_and(|kinds| kinds.iter().any(|kind| member(kind, "kind").is_null()))
            };
            let parts = member(node, "deps").as_array().map(Vec::as_slice).unwrap_or_default().iter().filter(linked);
            // A macro runs in the compiler.
            let is_macro = |id: &String| {
                let targets = all.get(id).and_then(|package| member(package, "targets").as_array());
                let kinds = targets.into_iter().flatten().filter_map(|target| member(target, "kind").as_array());
                kinds.flatten().any(|kind| kind == "proc-macro")
            };
            let parts: BTreeSet<String> = parts.filter_map(|dep| text(dep, "pkg")).filter(|id| !is_macro(id)).collect();
            open.extend(parts.iter().cloned());
            crates.edges.insert(id, parts);
        }
        Ok(crates)
    }

    /// The list as `CycloneDX` 1.6 (ECMA-424). No date and no serial number: the same sources give the same bytes.
    pub(crate) fn cyclonedx(&self) -> Value {
        let reference = |id: &String| self.packages.get(id).map(purl).unwrap_or_default();
        let mut components: Vec<Value> = self
            .packages
            .values()
            .filter(|package| !is_called(package, self.first))
            .map(|package| self.component(package, "library"))
            .collect();
        components.sort_by_key(|component| member(component, "bom-ref").as_str().map(str::to_owned));
        let program = self.packages.values().find(|package| is_called(package, self.first));
        let mut dependencies: Vec<Value> = self
            .edges
            .iter()
            .map(|(id, parts)| {
                let mut parts: Vec<String> = parts.iter().map(reference).collect();
                parts.sort();
                json!({"ref": reference(id), "dependsOn": parts})
            })
            .collect();
        dependencies.sort_by_key(|dependency| member(dependency, "ref").as_str().map(str::to_owned));
        json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {"component": program.map(|program| self.component(program, "application"))},
            "components": components,
            "dependencies": dependencies,
        })
    }

    fn component(&self, package: &Value, kind: &str) -> Value {
        let mut component = json!({
            "type": kind, "bom-ref": purl(package), "name": member(package, "name"), "version": member(package, "version"), "purl": purl(package),
        });
        let Some(members) = component.as_object_mut() else { return component };
        if let Some(licence) = member(package, "license").as_str() {
            // Some still write a slash where SPDX has a word.
            let licence = licence.replace('/', " OR ").replace("  ", " ");
            members.insert("licenses".into(), json!([{"expression": licence}]));
        }
        if let Some(checksum) = self.checksum(package) {
            members.insert("hashes".into(), json!([{"alg": "SHA-256", "content": checksum}]));
        }
        if let Some(repository) = member(package, "repository").as_str() {
            members.insert("externalReferences".into(), json!([{"type": "vcs", "url": repository}]));
        }
        component
    }

    fn checksum(&self, package: &Value) -> Option<&String> {
        let word = |name: &str| member(package, name).as_str().unwrap_or_default().to_owned();
        self.checksums.get(&(word("name"), word("version")))
    }

    /// The list as `cargo auditable` writes it (its PARSING.md): packages in order, each with the places of what it is made of.
    fn auditable(&self) -> Value {
        let mut ids: Vec<&String> = self.packages.keys().collect();
        let key = |id: &String| {
            self.packages.get(id).map(|p| (member(p, "name").to_string(), member(p, "version").to_string(), id.clone()))
        };
        ids.sort_by_key(|id| key(id));
        let place = |id: &String| ids.iter().position(|known| *known == id);
        let packages: Vec<Value> = ids
            .iter()
            .filter_map(|id| {
                let package = self.packages.get(*id)?;
                let mut parts: Vec<usize> = self.edges.get(*id)?.iter().filter_map(place).collect();
                parts.sort_unstable();
                let source = if member(package, "source").is_null() { "local" } else { "crates.io" };
                let mut entry =
                    json!({"name": member(package, "name"), "version": member(package, "version"), "source": source});
                let members = entry.as_object_mut()?;
                if !parts.is_empty() {
                    members.insert("dependencies".into(), parts.into());
                }
                if is_called(package, self.first) {
                    members.insert("root".into(), true.into());
                }
                Some(entry)
            })
            .collect();
        json!({"packages": packages})
    }

    /// Puts the list into a program, where `cargo audit bin` and scanners of images read it.
    pub(crate) fn put_into(&self, program: &Path) -> Result {
        if !cfg!(target_os = "linux") || !succeeds(command("objcopy").arg("--version")) {
            say(
                "The program holds no list of its crates: objcopy (binutils) is not here; the list is in sbom.cdx.json",
            );
            return Ok(());
        }
        let folder = tempfile::tempdir().doing("cannot make a folder")?;
        let list = folder.path().join("list");
        fs::write(&list, self.compressed()?).doing("cannot write the list of crates")?;
        // Behind what is loaded: nothing of what runs changes.
        run(command("objcopy").arg("--add-section").arg(format!("{SECTION}={}", list.display())).arg(program))
    }

    fn compressed(&self) -> Result<Vec<u8>> {
        let mut compressed = ZlibEncoder::new(Vec::new(), Compression::best());
        compressed.write_all(self.auditable().to_string().as_bytes()).doing("cannot compress the list of crates")?;
        compressed.finish().doing("cannot compress the list of crates")
    }
}

/// A member, or null.
fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn is_called(package: &Value, name: &str) -> bool {
    member(package, "name") == name
}

/// A package's name for everybody (package-url's `cargo` type).
fn purl(package: &Value) -> String {
    let word = |name: &str| member(package, name).as_str().unwrap_or_default();
    format!("pkg:cargo/{}@{}", word("name"), word("version").replace('+', "%2B"))
}

/// The checksums of a lock file, by name and version.
pub(crate) fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut checksums = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let value = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))?;
            Some(line.trim_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(checksum)) = (value("name"), value("version"), value("checksum")) {
            checksums.insert((name, version), checksum);
        }
    }
    checksums
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "a test that cannot go on shall stop"
    )]

    use std::io::Read as _;

    use flate2::read::ZlibDecoder;

    use super::*;
    use crate::shell::target;

    fn crates() -> Crates {
        Crates::read().unwrap()
    }

    fn references(bom: &Value) -> BTreeSet<String> {
        let own = &bom["metadata"]["component"];
        let all = bom["components"].as_array().unwrap().iter().chain([own]);
        all.map(|component| component["bom-ref"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_list_is_whole_names_each_crate_once_and_no_path_of_this_machine() {
        let bom = crates().cyclonedx();
        assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&json!("CycloneDX"), &json!("1.6")));
        let components = bom["components"].as_array().unwrap();
        let references = references(&bom);
        assert_eq!(references.len(), components.len() + 1, "each once");
        for component in components {
            let name = component["name"].as_str().unwrap();
            let ours = name.starts_with("pflow-gateway");
            assert!(component["version"].is_string() && component["purl"] == component["bom-ref"]);
            assert!(ours || component["hashes"][0]["content"].as_str().is_some_and(|hash| hash.len() == 64), "{name}");
            assert!(component["licenses"][0]["expression"].is_string(), "{name}");
        }
        let named = |name: &str| references.iter().any(|one| one.starts_with(&format!("pkg:cargo/{name}@")));
        assert!(named("wasmtime") && named("rustls") && named("wit-bindgen") && named("pyo3"));
        assert!(!named("insta") && !named("proptest") && !named("xtask"), "what only tests it is not in it");
        assert!(!named("serde_derive") && !named("syn"), "macros run in the compiler");
        assert_eq!(named("schannel"), cfg!(windows), "what another system needs is not in it");
        let dependencies = bom["dependencies"].as_array().unwrap();
        assert_eq!(dependencies.len(), references.len());
        for dependency in dependencies {
            for part in dependency["dependsOn"].as_array().unwrap() {
                assert!(references.contains(part.as_str().unwrap()), "{part} is nowhere");
            }
        }
        let text = bom.to_string();
        for place in [root(), target()] {
            assert!(!text.contains(&place.display().to_string()), "{}", place.display());
        }
        assert_eq!(text, crates().cyclonedx().to_string(), "the same sources give the same bytes");
    }

    #[test]
    fn the_service_has_a_list_of_its_own_without_what_only_a_host_has() {
        let bom = Crates::of_the_service().unwrap().cyclonedx();
        let references = references(&bom);
        let named = |name: &str| references.iter().any(|one| one.starts_with(&format!("pkg:cargo/{name}@")));
        assert_eq!(bom["metadata"]["component"]["name"], "pflow-gateway-front");
        assert!(named("pflow-gateway-bridge") && named("pflow-gateway-egress") && named("pflow-gateway-component"));
        assert!(named("chacha20poly1305") && named("wit-bindgen"));
        assert!(!named("wasmtime") && !named("pflow-gateway") && !named("tokio") && !named("pyo3"));
    }

    #[test]
    fn a_program_with_the_list_runs_and_its_readers_find_it() {
        if !cfg!(target_os = "linux") || !succeeds(command("objcopy").arg("--version")) {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::copy("/bin/true", &program).expect("a program");
        crates().put_into(&program).unwrap();
        assert!(succeeds(&mut command(&program)));
        let list = folder.path().join("list");
        run(command("objcopy").arg("--dump-section").arg(format!("{SECTION}={}", list.display())).arg(&program))
            .unwrap();
        let mut text = String::new();
        ZlibDecoder::new(fs::read(list).unwrap().as_slice()).read_to_string(&mut text).unwrap();
        let list: Value = serde_json::from_str(&text).unwrap();
        let packages = list["packages"].as_array().unwrap();
        assert_eq!(packages.iter().filter(|package| package["root"] == true).count(), 1);
        assert!(packages.iter().any(|package| package["name"] == "wasmtime" && package["source"] == "crates.io"));
        for package in packages {
            for place in package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default() {
                assert!(usize::try_from(place.as_u64().unwrap()).unwrap() < packages.len());
            }
        }
    }
}

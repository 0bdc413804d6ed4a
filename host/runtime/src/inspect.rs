//! What a component asks for and offers, read from its bytes before anything is compiled or run.
//! Takes bytes; gives an [`Anatomy`], or the reason why the host will not touch it. Never executes anything.

use wasmparser::{Encoding, FunctionBody, Parser, Payload};

use super::{
    error::{Structure, Unfit},
    limits::{BODY, DEPTH, FUNCTIONS, LOCALS, PARTS},
};
use pflow_gateway_base::digest::sha256;

/// The package whose interfaces a component exports.
pub const PACKAGE: &str = "pflow:gateway";
/// The version of the contract that this host speaks. Patch versions are compatible with each other.
pub const CONTRACT: &str = "0.2.0";
/// What a component must export.
pub(super) const EXPORTS: [&str; 6] = ["discovery", "filter", "health", "calls", "products", "review"];
/// What it may import of our own package. `types` holds no functions.
pub(super) const OWN_IMPORTS: [&str; 3] = ["types", "log", "events"];
/// WASI 0.2. Linked as a whole since toolchains import all of it; the interfaces lead nowhere but to HTTP.
const WASI: [&str; 7] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];

/// The outside of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anatomy {
    /// SHA-256 of the bytes, lower-case hex.
    pub sha256: String,
    /// Bytes.
    pub size: usize,
    /// Imported names, as in the binary, sorted.
    pub imports: Vec<String>,
    /// Exported names, as in the binary, sorted.
    pub exports: Vec<String>,
}

impl Anatomy {
    /// Reads the imports and exports of a component.
    ///
    /// # Errors
    ///
    /// The bytes are not a WebAssembly component, or more than a compiler should be given.
    pub fn read(bytes: &[u8]) -> Result<Self, Unfit> {
        let mut imports = Vec::new();
        let mut exports = Vec::new();
        let mut depth = 0_usize;
        let mut size = Size::default();
        if !bytes.starts_with(b"\0asm") {
            return Err(Unfit::NotWebAssembly);
        }
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(|e| broken(&e))? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(Unfit::CoreModule);
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                    depth += 1;
                    size.part(depth)?;
                }
                Payload::FunctionSection(section) => size.functions(section.count())?,
                Payload::CodeSectionEntry(body) => size.body(&body)?,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        imports.push(import.map_err(|e| broken(&e))?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        exports.push(export.map_err(|e| broken(&e))?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        imports.sort();
        exports.sort();
        Ok(Self { sha256: sha256(bytes), size: bytes.len(), imports, exports })
    }

    /// Of a component of which only the digest is known.
    pub(super) fn unknown(sha256: &str) -> Self {
        Self { sha256: sha256.to_owned(), size: 0, imports: Vec::new(), exports: Vec::new() }
    }

    /// The version of the contract that it exports, when it exports any of it.
    #[must_use]
    pub fn contract(&self) -> Option<&str> {
        self.exports.iter().find_map(|name| Interface::parse(name).filter(|i| i.package == PACKAGE).map(|i| i.version))
    }

    /// Whether this host can run it.
    ///
    /// # Errors
    ///
    /// Names the import or the export, what was expected and what was found.
    pub fn check(&self) -> Result<(), Unfit> {
        self.check_exports()?;
        self.check_imports()
    }

    /// Whether it exports the contract, in a version that this host speaks.
    ///
    /// # Errors
    ///
    /// Names the export, what was expected and what was found.
    pub fn check_exports(&self) -> Result<(), Unfit> {
        for wanted in EXPORTS {
            let found = self
                .exports
                .iter()
                .filter_map(|name| Interface::parse(name))
                .find(|i| i.package == PACKAGE && i.name == wanted);
            match found {
                None => {
                    return Err(Unfit::NoExport {
                        interface: format!("{PACKAGE}/{wanted}@{CONTRACT}"),
                        exports: self.exports.clone(),
                        is_part: self.is_part(),
                    });
                }
                Some(found) if !compatible(found.version) => {
                    return Err(Unfit::OtherVersion {
                        interface: format!("{PACKAGE}/{wanted}"),
                        found: found.version.to_owned(),
                    });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Whether it exports some interfaces of the contract and imports some: made to be composed with another component.
    fn is_part(&self) -> bool {
        let contract = |names: &[String]| {
            names
                .iter()
                .filter_map(|name| Interface::parse(name))
                .any(|found| found.package == PACKAGE && EXPORTS.contains(&found.name))
        };
        contract(&self.imports) && contract(&self.exports)
    }

    /// Whether this host offers everything that it asks for.
    ///
    /// # Errors
    ///
    /// Names the import.
    pub fn check_imports(&self) -> Result<(), Unfit> {
        for import in &self.imports {
            let allowed = Interface::parse(import).is_some_and(|i| match i.package.split_once(':') {
                Some(("wasi", package)) => WASI.contains(&package) && i.version.starts_with("0.2."),
                _ => i.package == PACKAGE && OWN_IMPORTS.contains(&i.name) && compatible(i.version),
            });
            if !allowed {
                return Err(Unfit::ForeignImport { import: import.clone() });
            }
        }
        Ok(())
    }
}

/// What there is to compile. The compiler needs time and memory for more than bytes: for each part, and for the square of what is in one
/// function.
#[derive(Default)]
struct Size {
    parts: usize,
    functions: u64,
}

impl Size {
    fn part(&mut self, depth: usize) -> Result<(), Unfit> {
        self.parts += 1;
        within(Structure::Depth, depth as u64, DEPTH)?;
        within(Structure::Parts, self.parts as u64, PARTS)
    }

    fn functions(&mut self, count: u32) -> Result<(), Unfit> {
        self.functions += u64::from(count);
        within(Structure::Functions, self.functions, FUNCTIONS)
    }

    #[expect(clippy::unused_self, reason = "one look at each thing, in one place")]
    fn body(&self, body: &FunctionBody<'_>) -> Result<(), Unfit> {
        within(Structure::Body, body.range().len() as u64, BODY)?;
        let mut locals = 0_u64;
        for group in body.get_locals_reader().map_err(|e| broken(&e))? {
            locals += u64::from(group.map_err(|e| broken(&e))?.0);
        }
        within(Structure::Locals, locals, LOCALS)
    }
}

fn within(what: Structure, found: u64, most: u64) -> Result<(), Unfit> {
    if found <= most { Ok(()) } else { Err(Unfit::TooMuch { what, most }) }
}

fn broken(error: &wasmparser::BinaryReaderError) -> Unfit {
    Unfit::Broken { problem: error.message().to_owned() }
}

/// Versions of one compatibility track: `0.1.x`.
fn compatible(version: &str) -> bool {
    let track = |v: &str| v.rsplit_once('.').map(|(track, _)| track.to_owned());
    track(version).is_some() && track(version) == track(CONTRACT)
}

/// `package:name/interface@version`, in parts.
struct Interface<'a> {
    package: &'a str,
    name: &'a str,
    version: &'a str,
}

impl<'a> Interface<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = name.split_once('@')?;
        let (package, name) = path.split_once('/')?;
        Some(Self { package, name, version })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]
mod tests {
    use pflow_gateway_base::Advice as _;

    use super::*;

    fn anatomy(imports: &[&str], exports: &[&str]) -> Anatomy {
        let own = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect();
        Anatomy { sha256: String::new(), size: 0, imports: own(imports), exports: own(exports) }
    }

    const ALL: [&str; 6] = [
        "pflow:gateway/discovery@0.2.0",
        "pflow:gateway/filter@0.2.0",
        "pflow:gateway/health@0.2.0",
        "pflow:gateway/calls@0.2.0",
        "pflow:gateway/products@0.2.0",
        "pflow:gateway/review@0.2.0",
    ];

    #[test]
    fn text_is_refused_before_anything_is_parsed() {
        assert_eq!(Anatomy::read(b"(component)"), Err(Unfit::NotWebAssembly));
    }

    #[test]
    fn a_core_module_is_told_from_a_component() {
        assert_eq!(Anatomy::read(b"\0asm\x01\0\0\0"), Err(Unfit::CoreModule));
    }

    #[test]
    fn a_truncated_component_is_refused() {
        assert!(matches!(Anatomy::read(b"\0asm\x0d\0\x01\0\x07\x80"), Err(Unfit::Broken { .. })));
    }

    #[test]
    fn a_missing_export_is_named_with_its_version() {
        let error = anatomy(&[], &ALL[..3]).check().unwrap_err();
        let Unfit::NoExport { interface, exports, is_part: false } = &error else { panic!("{error:?}") };
        assert_eq!(
            (interface.as_str(), exports.as_slice()),
            ("pflow:gateway/calls@0.2.0", &ALL.map(str::to_owned)[..3])
        );
        assert_eq!(error.to_string(), "the component does not export pflow:gateway/calls@0.2.0");
    }

    #[test]
    fn a_part_is_told_to_be_composed() {
        let error = anatomy(&ALL[1..2], &ALL[1..2]).check().unwrap_err();
        assert!(
            matches!(&error, Unfit::NoExport { is_part: true, interface, .. } if interface.ends_with("discovery@0.2.0"))
        );
        assert!(error.hint().unwrap().contains("docs/components/composition.md"));
        // One that just lacks something is no part.
        let error = anatomy(&["pflow:gateway/log@0.2.0"], &ALL[1..2]).check().unwrap_err();
        assert!(matches!(error, Unfit::NoExport { is_part: false, .. }));
        assert!(error.hint().unwrap().starts_with("it exports pflow:gateway/filter@0.2.0;"));
    }

    #[test]
    fn another_minor_version_is_refused_and_a_patch_accepted() {
        let newer = ALL.map(|name| name.replace("0.2.0", "0.3.0"));
        let error = anatomy(&[], &newer.each_ref().map(String::as_str)).check().unwrap_err();
        let found = Unfit::OtherVersion { interface: "pflow:gateway/discovery".into(), found: "0.3.0".into() };
        assert_eq!(error, found);
        let patch = ALL.map(|name| name.replace("0.2.0", "0.2.7"));
        anatomy(&[], &patch.each_ref().map(String::as_str)).check().unwrap();
    }

    #[test]
    fn all_of_wasi_0_2_may_be_imported_and_nothing_else() {
        anatomy(&["wasi:sockets/tcp@0.2.3", "wasi:io/poll@0.2.0", "pflow:gateway/log@0.2.0"], &ALL).check().unwrap();
        for foreign in [
            "wasi:nn/graph@0.2.0",
            "wasi:http/types@0.3.0",
            "acme:secrets/read@1.0.0",
            "plain-function",
            "pflow:gateway/admin@0.2.0",
        ] {
            let refused = Unfit::ForeignImport { import: foreign.to_owned() };
            assert_eq!(anatomy(&[foreign], &ALL).check(), Err(refused));
        }
    }
}

//! The contract: what may change in it, what the built-in component asks for, and what the host refuses before anything is compiled.

use std::{fs, path::Path, sync::Arc};

use pflow_gateway::{
    Advice as _, Class, Error,
    runtime::{
        Anatomy, BUILT_IN, CONTRACT, CodeStore, Conversation, Failure, LoadError, Runtime, Source, Stopped, Unfit,
    },
};
use sha2::{Digest as _, Sha256};
use wasm_encoder::{
    ComponentImportSection, ComponentSection as _, ComponentTypeRef, ComponentTypeSection, InstanceType,
};

use super::{
    appended::load,
    guest,
    stand::{PATIENCE, RecordedEvents, Stand, limits},
};

fn wit(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit").join(file)).unwrap()
}

/// Everything that the built-in component may ask for. A new line here is a decision.
const IMPORTS: &[&str] = &[
    "pflow:gateway/events@0.2.0",
    "pflow:gateway/log@0.2.0",
    "pflow:gateway/types@0.2.0",
    "wasi:cli/environment@0.2.6",
    "wasi:cli/exit@0.2.6",
    "wasi:cli/stderr@0.2.6",
    "wasi:cli/stdin@0.2.6",
    "wasi:cli/stdout@0.2.6",
    "wasi:cli/terminal-input@0.2.6",
    "wasi:cli/terminal-output@0.2.6",
    "wasi:cli/terminal-stderr@0.2.6",
    "wasi:cli/terminal-stdin@0.2.6",
    "wasi:cli/terminal-stdout@0.2.6",
    "wasi:clocks/monotonic-clock@0.2.2",
    "wasi:clocks/wall-clock@0.2.2",
    "wasi:http/outgoing-handler@0.2.2",
    "wasi:http/types@0.2.2",
    "wasi:io/error@0.2.2",
    "wasi:io/poll@0.2.2",
    "wasi:io/streams@0.2.2",
    // The seed of Rust's hash maps.
    "wasi:random/insecure-seed@0.2.4",
];

#[test]
fn the_built_in_component_imports_a_short_list_and_no_more() {
    // Patch versions of WASI come with the toolchain.
    let track = |name: &str| name.rsplit_once('.').map_or_else(|| name.to_owned(), |(track, _)| track.to_owned());
    let mut imports: Vec<String> = Anatomy::read(BUILT_IN).unwrap().imports.iter().map(|name| track(name)).collect();
    imports.dedup();
    let unknown: Vec<_> = imports.iter().filter(|name| !IMPORTS.iter().any(|known| track(known) == **name)).collect();
    assert!(unknown.is_empty(), "new imports: {unknown:?}");
    for forbidden in ["wasi:filesystem", "wasi:sockets"] {
        assert!(!imports.iter().any(|name| name.contains(forbidden)), "{imports:?}");
    }
}

/// The program trusts this of its own part, and does not look at every start.
#[test]
fn the_built_in_component_fits_and_its_digest_is_the_one_that_the_build_wrote_down() {
    let anatomy = Anatomy::read(BUILT_IN).unwrap();
    anatomy.check().unwrap();
    let runtime = Runtime::new(&Source::BuiltIn).unwrap();
    assert_eq!(runtime.describe().sha256, super::hex(&Sha256::digest(BUILT_IN)));
    assert_eq!(*runtime.anatomy(), anatomy);
}

#[test]
fn the_version_in_the_wit_file_is_the_one_that_the_host_speaks() {
    let line = wit("gateway.wit").lines().find(|line| line.starts_with("package ")).unwrap().to_owned();
    assert_eq!(line, format!("package pflow:gateway@{CONTRACT};"));
}

/// Why these bytes are refused. Nothing was compiled: the cache is as empty as before.
fn refused(bytes: &[u8]) -> Unfit {
    let folder = tempfile::tempdir().unwrap();
    let (file, cache) = (folder.path().join("component.wasm"), folder.path().join("cache"));
    fs::write(&file, bytes).unwrap();
    let error =
        Runtime::with(&Source::File(file.clone()), limits(), &CodeStore { packaged: None, cache: Some(cache.clone()) })
            .unwrap_err();
    assert!(!cache.exists(), "it was compiled");
    let LoadError::Unfit { component, source: unfit } = error else { panic!("{error:?}") };
    assert_eq!(component, file.display().to_string());
    let error = Error::from(LoadError::Unfit { component, source: unfit.clone() });
    assert_eq!((error.class, error.message), (Class::Component, format!("{}: {unfit}", file.display())));
    assert_eq!(error.hint, unfit.hint());
    unfit
}

fn hostile() -> Vec<u8> {
    fs::read(guest::component("hostile")).unwrap()
}

/// Everywhere, and of the same length, so that the rest stays what it was.
fn replaced(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = hostile();
    let mut at = 0;
    let mut count = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from.as_bytes()) {
        bytes[at + found..at + found + from.len()].copy_from_slice(to.as_bytes());
        at += found + from.len();
        count += 1;
    }
    assert!(count > 0, "{from} is not in the component");
    bytes
}

#[test]
fn what_is_not_webassembly_is_refused() {
    for bytes in [b"".as_slice(), b"#!/bin/sh\n", b"(component)", b"\x7fELF\x02\x01\x01"] {
        assert_eq!(refused(bytes), Unfit::NotWebAssembly);
    }
}

#[test]
fn a_core_module_is_refused() {
    let unfit = refused(&wasm_encoder::Module::new().finish());
    assert_eq!(unfit, Unfit::CoreModule);
    assert!(unfit.hint().unwrap().contains("wasm32-wasip2"));
}

#[test]
fn a_component_that_was_cut_or_damaged_is_refused() {
    let whole = hostile();
    for length in [9, 100, whole.len() / 2, whole.len() - 1] {
        let unfit = refused(&whole[..length]);
        assert!(matches!(unfit, Unfit::Broken { .. } | Unfit::NoExport { .. }), "{unfit:?}");
    }
}

#[test]
fn a_component_without_an_export_is_refused_by_its_name() {
    let unfit = refused(&wasm_encoder::Component::new().finish());
    let interface = "pflow:gateway/discovery@0.2.0".to_owned();
    assert_eq!(unfit, Unfit::NoExport { interface, exports: Vec::new(), is_part: false });
    assert!(unfit.hint().unwrap().contains("it exports nothing"));
}

#[test]
fn a_component_of_another_version_is_refused_with_both_versions() {
    let unfit = refused(&replaced("@0.2.0", "@0.3.0"));
    assert_eq!(unfit.to_string(), "the component exports pflow:gateway/discovery@0.3.0, this host needs version 0.2.0");
}

#[test]
fn an_import_that_the_host_does_not_offer_is_refused_by_its_name() {
    for name in ["acme:secrets/read@1.0.0", "wasi:nn/graph@0.3.0", "pflow:gateway/admin@0.2.0", "read-secrets"] {
        let mut bytes = hostile();
        let mut types = ComponentTypeSection::new();
        types.instance(&InstanceType::new());
        types.append_to_component(&mut bytes);
        let mut imports = ComponentImportSection::new();
        imports.import(name, ComponentTypeRef::Instance(type_count(&bytes) - 1));
        imports.append_to_component(&mut bytes);
        assert_eq!(refused(&bytes), Unfit::ForeignImport { import: name.to_owned() });
    }
}

/// Types at the top level, however they came to be there.
fn type_count(bytes: &[u8]) -> u32 {
    use wasmparser::{ComponentExternalKind, Parser, Payload};
    let (mut depth, mut count) = (0, 0);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentTypeSection(section) if depth == 0 => count += section.count(),
            Payload::ComponentAliasSection(section) if depth == 0 => {
                let types = section.into_iter().filter(|alias| {
                    use wasmparser::{ComponentAlias, ComponentOuterAliasKind};
                    matches!(
                        alias,
                        Ok(ComponentAlias::InstanceExport { kind: ComponentExternalKind::Type, .. }
                            | ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, .. })
                    )
                });
                count += u32::try_from(types.count()).unwrap();
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                let types = section.into_iter().filter(
                    |import| matches!(import, Ok(import) if matches!(import.ty, wasmparser::ComponentTypeRef::Type(_))),
                );
                count += u32::try_from(types.count()).unwrap();
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                let types = section
                    .into_iter()
                    .filter(|export| matches!(export, Ok(export) if export.kind == ComponentExternalKind::Type));
                count += u32::try_from(types.count()).unwrap();
            }
            _ => {}
        }
    }
    count
}

/// wasmtime compares the types of functions when an instance is made.
#[tokio::test]
async fn a_component_whose_types_are_others_under_the_same_names_never_gets_a_call() {
    let runtime = load(&replaced("repeated-cursor", "repeated-cursox"), limits(), &CodeStore::default()).unwrap();
    let stand = Stand::with(runtime).await;
    let started =
        Conversation::start(&stand.runtime, stand.egress(&[], &[]), Arc::new(RecordedEvents::default()), PATIENCE)
            .await;
    let Err(Failure::Host(Stopped::Trap { words, .. })) = started else { panic!("it started, or was stopped") };
    assert!(words.contains("repeated-cursox"), "{words}");
}

#[test]
fn a_file_that_is_too_large_is_not_even_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("component.wasm");
    fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
    let error = Runtime::with(&Source::File(file.clone()), limits(), &CodeStore::default()).unwrap_err();
    assert!(matches!(&error, LoadError::TooLarge { file: named, .. } if *named == file), "{error:?}");
    assert_eq!(error.to_string(), format!("{} is larger than 64 MiB", file.display()));
}

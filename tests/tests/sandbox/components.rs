//! Installing components: pinned by digest, for all gateways or for one, and back again.

use std::{fs, path::PathBuf};

use pflow_gateway::{
    Class, Error,
    components::{Components, ComponentsError, Scope},
    runtime::{CodeStore, LoadError, Runtime, Unfit},
};

use super::{
    guest,
    stand::{Stand, limits},
};

struct Place {
    folder: tempfile::TempDir,
    components: Components,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let components = Components::beside(&folder.path().join("mcp-servers.json"));
        Self { folder, components }
    }

    /// A copy of the hostile component that may be changed.
    fn file(&self) -> PathBuf {
        let file = self.folder.path().join("mine.wasm");
        fs::copy(guest::component("hostile"), &file).unwrap();
        file
    }
}

fn docker() -> Scope {
    Scope::Gateway("docker".into())
}

#[tokio::test]
async fn an_installed_component_runs_for_its_gateway_and_no_other() {
    let place = Place::new();
    let pin = place.components.install(&place.file(), &docker()).unwrap();
    assert_eq!(place.components.chosen("docker").unwrap().unwrap(), pin);
    assert_eq!(place.components.chosen("other").unwrap(), None);
    // What its author does to the file later changes nothing.
    fs::remove_file(place.folder.path().join("mine.wasm")).unwrap();
    let runtime = Runtime::with(&pin.to_run(), limits(), &CodeStore::default()).unwrap();
    assert_eq!(runtime.describe().sha256, pin.sha256);
    Stand::with(runtime).await.behaves().await;
}

#[test]
fn the_choice_for_one_gateway_comes_before_the_choice_for_all() {
    let place = Place::new();
    let for_all = place.components.install(&place.file(), &Scope::All).unwrap();
    let mut other = fs::read(place.file()).unwrap();
    // An empty custom section: another digest, the same component.
    other.extend_from_slice(&[0, 2, 1, b'x']);
    let file = place.folder.path().join("other.wasm");
    fs::write(&file, other).unwrap();
    let own = place.components.install(&file, &docker()).unwrap();
    assert_ne!(own.sha256, for_all.sha256);
    assert_eq!(place.components.chosen("docker").unwrap().unwrap(), own);
    assert_eq!(place.components.chosen("other").unwrap().unwrap(), for_all);
    let listed: Vec<_> = place.components.list().unwrap().into_iter().map(|(scope, _)| scope).collect();
    assert_eq!(listed, [Scope::All, docker()]);

    assert_eq!(place.components.reset(&docker()).unwrap(), Some(own.clone()));
    assert!(!own.file.exists() && for_all.file.exists());
    assert_eq!(place.components.chosen("docker").unwrap().unwrap(), for_all);
    assert_eq!(place.components.reset(&docker()).unwrap(), None);
}

#[test]
fn a_component_that_changed_under_its_pin_is_refused() {
    let place = Place::new();
    let pin = place.components.install(&place.file(), &Scope::All).unwrap();
    let mut bytes = fs::read(&pin.file).unwrap();
    bytes.extend_from_slice(&[0, 2, 1, b'x']);
    fs::write(&pin.file, bytes).unwrap();
    let error = Runtime::with(&pin.to_run(), limits(), &CodeStore::default()).unwrap_err();
    let LoadError::Changed { file, found } = &error else { panic!("{error:?}") };
    assert!(*file == pin.file && *found != pin.sha256, "{error:?}");
    let error = Error::from(error);
    assert!(error.class == Class::Component && error.hint.unwrap().contains("component use"));
    fs::remove_file(&pin.file).unwrap();
    let error = Runtime::with(&pin.to_run(), limits(), &CodeStore::default()).unwrap_err();
    assert!(matches!(&error, LoadError::Unread { file, .. } if *file == pin.file), "{error:?}");
}

#[test]
fn what_does_not_fit_is_not_installed() {
    let place = Place::new();
    let file = place.folder.path().join("not.wasm");
    fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    let error = place.components.install(&file, &Scope::All).unwrap_err();
    let ComponentsError::Component(LoadError::Unfit { component, source }) = error else { panic!("{error:?}") };
    assert_eq!((component, source), (file.display().to_string(), Unfit::CoreModule));
    assert_eq!(place.components.list().unwrap(), []);
    assert!(!place.folder.path().join("gateway-components").exists());
}

#[test]
fn a_broken_list_is_named_and_nothing_runs_instead() {
    let place = Place::new();
    let list = place.folder.path().join("gateway-components.json");
    fs::write(&list, r#"{"all": {"sha256": "../../evil", "source": "x"}}"#).unwrap();
    let chosen = || place.components.chosen("docker").unwrap_err();
    assert!(matches!(chosen(), ComponentsError::NoDigest { file } if file == list));
    fs::write(&list, "{").unwrap();
    assert!(matches!(chosen(), ComponentsError::NotJson { .. }));
    let error = Error::from(chosen());
    assert!(error.class == Class::Config && error.find::<serde_json::Error>().is_some(), "{error:?}");
    assert!(error.message.starts_with(&format!("cannot read {}: EOF", list.display())), "{error}");
}

#[test]
fn keys_of_a_later_version_are_kept() {
    let place = Place::new();
    let list = place.folder.path().join("gateway-components.json");
    fs::write(&list, r#"{"later": {"a": 1}}"#).unwrap();
    place.components.install(&place.file(), &Scope::All).unwrap();
    assert!(fs::read_to_string(&list).unwrap().contains("later"));
}

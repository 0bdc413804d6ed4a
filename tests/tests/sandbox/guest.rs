//! Builds the guests in `tests/components`.
//! Takes a name; gives the path of its component. Builds once per process; cargo does nothing when nothing changed.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Command,
};

use pflow_gateway_base::sync::Mutex;

static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);

/// The component in `tests/components/NAME`.
pub(super) fn component(name: &str) -> PathBuf {
    of_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("components").join(name), name)
}

/// The component of this crate, whose library is called `name`.
pub(super) fn of_folder(folder: &Path, name: &str) -> PathBuf {
    let mut built = BUILT.lock();
    let built = built.get_or_insert_default();
    if let Some(path) = built.get(name) {
        return path.clone();
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("guests");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--release", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(&target)
        .current_dir(folder)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .unwrap();
    assert!(status.success(), "{} does not build", folder.display());
    let path = target.join("wasm32-wasip2/release").join(format!("{}.wasm", name.replace('-', "_")));
    assert!(path.is_file(), "{} is not there", path.display());
    built.insert(name.to_owned(), path.clone());
    path
}

//! The source archive: what `pip install` builds where Rust is.
//! Takes the workspace and the component; gives the archive, and looks whether a wheel comes out of it that is like the usual one. Never builds anything in the
//! workspace itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    archive::{copy_all, tar_gz, unpack},
    build::{self, Build, Dist},
    python::{Venv, Version},
    sbom::checksums,
    shell::{Doing as _, Failure, Result, cargo, command, root, run, say, target},
};

/// The archive's folder, and its name without the ending.
const NAME: &str = concat!("pflow_gateway-", env!("CARGO_PKG_VERSION"));
/// What the sources take from outside of their crates: the contract, and the examples from which `component new` writes.
const BESIDE: [&str; 6] = [
    "wit",
    "docs/components/rust",
    "docs/components/python",
    "docs/components/javascript",
    "LICENSE-APACHE",
    "LICENSE-MIT",
];

/// What maturin takes of the workspace, with what the sources want besides, and with the component ready: whoever builds it needs no other target of Rust.
pub(crate) fn pack(component: &Path, out: &Path) -> Result<PathBuf> {
    let tools = Venv::with("build", &["build"], Version(10))?;
    let place = tempfile::tempdir().doing("cannot make a folder")?;
    run(command(tools.bin("maturin"))
        .args(["sdist", "--manifest-path", "host/python/Cargo.toml", "--out"])
        .arg(place.path()))?;
    unpack(&place.path().join(NAME).with_added_extension("tar.gz"), place.path())?;
    let folder = place.path().join(NAME);
    for path in BESIDE {
        copy_all(&root().join(path), &folder.join(path))?;
    }
    // maturin packs the start-up files beside the crate, and looks for them beside `pyproject.toml`, which it moves to the top.
    copy_all(&root().join("host/python/pflow_gateway.data"), &folder.join("pflow_gateway.data"))?;
    copy_all(component, &folder.join("gateway.wasm"))?;
    // Without the crates of what is not in it, so that `--locked` is content.
    run(cargo()
        .args(["update", "--workspace", "--quiet", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .current_dir(&folder))?;
    same_crates(&folder.join("Cargo.lock"))?;
    let archive = out.join(NAME).with_added_extension("tar.gz");
    tar_gz(&folder, &archive)?;
    Ok(archive)
}

/// Fails where this lock file has a crate that the workspace's has not, or another version of it.
fn same_crates(lock: &Path) -> Result {
    let read = |file: &Path| fs::read_to_string(file).doing(format!("cannot read {}", file.display()));
    let (all, some) = (checksums(&read(&root().join("Cargo.lock"))?), checksums(&read(lock)?));
    let other = some.iter().find(|&(package, checksum)| all.get(package) != Some(checksum));
    other.map_or(Ok(()), |((name, version), _)| {
        Err(Failure(format!("{name} {version} would be in the source archive, and is not in Cargo.lock")))
    })
}

/// Packs the sources, unpacks them where nothing else of the workspace is, and lets pip build them: what is not in the archive is missed there. Other
/// people's crates are those that are compiled already.
pub(crate) fn hold(dist: &Dist, component: &Path) -> Result {
    say("The source archive, and the wheel that is built of it");
    let place = target().join("packing/sources");
    if place.exists() {
        fs::remove_dir_all(&place).doing(format!("cannot remove {}", place.display()))?;
    }
    fs::create_dir_all(&place).doing(format!("cannot make {}", place.display()))?;
    unpack(&pack(component, &place)?, &place)?;

    let tools = Venv::with("build", &["build"], Version(10))?;
    let mut pip = tools.python();
    pip.args(["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"])
        .args(["--no-index", "--wheel-dir"])
        .args([&place.join("wheel"), &place.join(NAME)])
        .env("CARGO_TARGET_DIR", target())
        .env("PATH", tools.path()?)
        .env_remove(build::READY);
    let words = Build::usual().like_it(&mut pip);
    run(pip.env("MATURIN_PEP517_ARGS", words.join(" ")))?;

    let made = fs::read_dir(place.join("wheel")).doing("cannot read the folder of the wheel")?;
    let wheel = made.flatten().map(|entry| entry.path()).next().ok_or_else(|| Failure("pip made no wheel".into()))?;
    run(tools.python().arg("tests/sources/compare.py").args([&dist.wheel, &wheel]))?;
    let installed = place.join("installed");
    run(tools
        .python()
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--no-index", "--target"])
        .args([&installed, &wheel]))?;
    let exported = place.join("exported.wasm");
    run(tools
        .python()
        .args(["-m", "pflow_gateway", "component", "export"])
        .arg(&exported)
        .current_dir(&place)
        .env("PYTHONPATH", &installed))?;
    let read = |file: &Path| fs::read(file).doing(format!("cannot read {}", file.display()));
    if read(&exported)? == read(component)? {
        return Ok(());
    }
    Err(Failure(format!("the wheel of the sources has another component in it than {}", component.display())))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn the_wheel_has_the_licences_of_the_project() {
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            let read = |folder: &str| fs::read_to_string(root().join(folder).join(licence)).unwrap();
            assert_eq!(read("."), read("host/python"), "{licence}");
        }
    }
}

//! Other versions of pflow, each in an environment of its own, for `tests/python/test_pflow_versions.py`.
//! Takes the environment of all other tests, which brings uv, and the wheel under test; gives the folder. Never asks a registry twice for
//! the same version.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    python::Venv,
    shell::{Doing as _, Result, command, run, say, succeeds, target},
};

/// The last of each minor version. uv installs one in about ten seconds, and they share their files; pip takes more than a minute each.
const VERSIONS: [&str; 4] = ["0.12.0", "0.13.0", "0.14.0", "0.15.1"];
/// They take any version, and with 2 they lose the parameters of tools.
const SDK: &str = "mcp==1.30.0";

/// A folder with `pflow-VERSION` for each.
pub(crate) fn others(newest: &Venv, wheel: &Path) -> Result<PathBuf> {
    let folder = target().join("venvs/versions");
    for version in VERSIONS {
        let venv = folder.join(format!("pflow-{version}"));
        let (python, stamp) = (venv.join("bin/python"), venv.join("requirements.done"));
        let wanted = format!("pflow-cli=={version} {SDK}");
        if fs::read_to_string(&stamp).is_ok_and(|made| made != wanted)
            || !stamp.exists()
            || !succeeds(command(&python).arg("--version"))
        {
            say(format!("Setting up target/venvs/versions/pflow-{version}"));
            if venv.exists() {
                fs::remove_dir_all(&venv).doing(format!("cannot remove {}", venv.display()))?;
            }
            run(uv(newest).args(["venv", "--python"]).arg(newest.bin("python")).arg(&venv))?;
            run(uv(newest).args(["pip", "install", "--python"]).arg(&python).args(wanted.split(' ')))?;
            fs::write(&stamp, wanted).doing(format!("cannot write {}", stamp.display()))?;
        }
        run(uv(newest).args(["pip", "install", "--reinstall", "--no-deps", "--python"]).arg(&python).arg(wheel))?;
    }
    Ok(folder)
}

fn uv(newest: &Venv) -> Command {
    let mut uv = command(newest.bin("uv"));
    // Beside the environments: what they share is there once.
    uv.arg("--quiet").arg("--cache-dir").arg(target().join("venvs/uv-cache"));
    uv.env_remove("VIRTUAL_ENV").env_remove("PYTHONPATH");
    uv
}

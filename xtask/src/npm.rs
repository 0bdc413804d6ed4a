//! Packages of npm below the target folder, each set made once and kept while its `package.json` is the same.
//! Takes the folder of a `package.json`; gives the folder in which they are. Never runs a package's scripts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::shell::{Doing as _, Failure, Result, command, root, run, target};

/// What `<folder>/package.json` names, in `target/npm/<name>`; with whatever else is to be made of it, once.
pub(crate) fn installed(name: &str, folder: &str, finish: impl FnOnce(&Path) -> Result) -> Result<PathBuf> {
    let place = target().join("npm").join(name);
    let source = root().join(folder).join("package.json");
    let wanted = fs::read(&source).doing(format!("cannot read {}", source.display()))?;
    let stamp = place.join("package.done");
    if fs::read(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(place);
    }
    fs::create_dir_all(&place).doing(format!("cannot make {}", place.display()))?;
    fs::write(place.join("package.json"), &wanted).doing(format!("cannot write {}", place.display()))?;
    let quietly = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--fetch-retries=5"];
    run(command("npm").args(quietly).current_dir(&place))
        .map_err(|failure| Failure(format!("{failure}; npm is needed (Debian: apt-get install npm), and network")))?;
    finish(&place)?;
    fs::write(&stamp, wanted).doing(format!("cannot write {}", stamp.display()))?;
    Ok(place)
}

//! Virtual environments under the target folder, each made once and kept while its requirements are the same.
//! Takes a name and a requirements file; gives a [`Venv`]. Never touches the Python it was made from.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::shell::{Doing as _, Failure, Result, command, output, root, run, say, succeeds, target};

/// A virtual environment.
pub(crate) struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// The environment `name`, with what `xtask/requirements/<file>.txt` lists for each of `files`.
    pub(crate) fn with(name: &str, files: &[&str], oldest: Version) -> Result<Self> {
        let folder = target().join("venvs").join(name);
        let venv = Self { folder };
        let requirements: Vec<_> =
            files.iter().map(|file| root().join("xtask/requirements").join(format!("{file}.txt"))).collect();
        let mut wanted = String::new();
        for file in &requirements {
            wanted += &fs::read_to_string(file).doing(format!("cannot read {}", file.display()))?;
        }
        let stamp = venv.folder.join("requirements.done");
        if fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) && succeeds(venv.python().arg("--version")) {
            return Ok(venv);
        }
        let python = find(oldest)?;
        say(format!("Setting up target/venvs/{name} ({})", wanted.split_whitespace().collect::<Vec<_>>().join(", ")));
        if venv.folder.exists() {
            fs::remove_dir_all(&venv.folder).doing(format!("cannot remove {}", venv.folder.display()))?;
        }
        run(command(&python).args(["-m", "venv"]).arg(&venv.folder)).map_err(|failure| {
            Failure(format!(
                "{failure}; {} needs its venv module (Debian: apt-get install python3-venv)",
                python.display()
            ))
        })?;
        let mut pip = venv.pip_install();
        for file in &requirements {
            pip.arg("--requirement").arg(file);
        }
        run(&mut pip)?;
        fs::write(&stamp, wanted).doing(format!("cannot write {}", stamp.display()))?;
        Ok(venv)
    }

    /// A program of the environment.
    pub(crate) fn bin(&self, program: &str) -> PathBuf {
        let folder = self.folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
        folder.join(format!("{program}{}", std::env::consts::EXE_SUFFIX))
    }

    /// What finds programs of the environment before others.
    pub(crate) fn path(&self) -> Result<OsString> {
        let own = self.bin("python").parent().map(Path::to_owned);
        let others = std::env::var_os("PATH").unwrap_or_default();
        std::env::join_paths(own.into_iter().chain(std::env::split_paths(&others)))
            .map_err(|error| Failure(format!("{} cannot be in PATH: {error}", self.folder.display())))
    }

    /// A file that a package brought along.
    pub(crate) fn file_in_packages(&self, name: &str) -> Result<PathBuf> {
        let asks = "import sysconfig; print(sysconfig.get_path('platlib'))";
        let folder = output(self.python().args(["-c", asks]))?;
        let file = Path::new(folder.trim()).join(name);
        if file.exists() { Ok(file) } else { Err(Failure(format!("{} is not there", file.display()))) }
    }

    /// Its interpreter.
    pub(crate) fn python(&self) -> Command {
        command(self.bin("python"))
    }

    fn pip_install(&self) -> Command {
        let mut pip = self.python();
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        pip
    }

    /// Installs a wheel that was just built, whatever was there before.
    pub(crate) fn install(&self, wheel: &Path) -> Result {
        run(self.pip_install().args(["--force-reinstall", "--no-deps"]).arg(wheel))
    }
}

/// A minor version of Python 3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32);

/// The newest that the peers are made for.
const NEWEST: Version = Version(13);

/// An interpreter that runs here, at least this old; `PYTHON` decides when it is set.
fn find(oldest: Version) -> Result<PathBuf> {
    let named = std::env::var_os("PYTHON").map(PathBuf::from);
    let usual = [12, 11, 13, 10].map(|minor| PathBuf::from(format!("python3.{minor}")));
    for python in named.into_iter().chain(["python3".into()]).chain(usual) {
        let asks = format!(
            "import sys, venv, ensurepip; sys.exit(not (3, {}) <= sys.version_info[:2] <= (3, {}))",
            oldest.0, NEWEST.0
        );
        if succeeds(command(&python).args(["-c", &asks])) {
            return Ok(python);
        }
    }
    Err(Failure(format!(
        "no Python 3.{} to 3.{} with the venv module was found; install one, or name it in PYTHON",
        oldest.0, NEWEST.0
    )))
}

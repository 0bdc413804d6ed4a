//! `pflow_gateway._native`: pflow-gateway inside Python.
//! Takes Python values; gives the dicts of `--json` and one tree of exceptions. Never holds the GIL while it waits, and knows
//! nothing about gateways itself: that is the crate `pflow_gateway`.

mod callbacks;
mod errors;
mod gateway;
mod json;
mod wait;

use pyo3::prelude::*;

/// Another Python that compiles a component for this one: isolated, so that nothing of the current folder or of the user's is imported, and
/// with this package found where it is.
const COMPILE: &str = "import sys; sys.path.insert(0, sys.argv[1]); from pflow_gateway import _native; \
                       sys.exit(_native._compile_component(sys.argv[2]))";

/// The Rust side of `pflow_gateway`.
#[pymodule(name = "_native")]
mod native {
    use std::{
        collections::BTreeMap,
        ffi::OsString,
        path::{Path, PathBuf},
    };

    use pflow_gateway::{
        config::ConfigFile,
        history::{History, Moment},
        runtime,
        seen::Seen,
    };
    use pyo3::prelude::*;

    use super::COMPILE;
    #[pymodule_export]
    use crate::gateway::Gateway;

    /// A kind, and how many tools each service has.
    type Behind = (Option<String>, BTreeMap<String, usize>);

    /// Runs one command line in this process, on its own stdin, stdout and stderr; gives its exit code.
    ///
    /// `program` is the name in help texts; `args` are the arguments after it.
    #[pyfunction]
    fn run(py: Python<'_>, program: &str, args: Vec<OsString>) -> u8 {
        py.detach(|| pflow_gateway_cli::run(program, args))
    }

    /// Compiles a component, from stdin to stdout, for the process that started this one; gives the exit code.
    #[pyfunction]
    #[pyo3(name = "_compile_component")]
    fn compile_component(py: Python<'_>, stack: &str) -> u8 {
        py.detach(|| runtime::compile_for_parent(stack))
    }

    /// What is remembered of each of these gateways, in words; None for one that is not known. Contacts nothing.
    ///
    /// `folder` is pflow's.
    #[pyfunction]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's own objects cannot be borrowed while other threads run"
    )]
    fn last_known(py: Python<'_>, folder: PathBuf, names: Vec<String>) -> Vec<Option<String>> {
        py.detach(|| {
            let (history, now) = (History::new(&folder), Moment::now());
            names.iter().map(|name| history.last(name, now).map(|last| last.words())).collect()
        })
    }

    /// What somebody who looked saw behind each of these gateways: its kind, and how many tools each service has; None for one that nobody
    /// looked at. Contacts nothing.
    ///
    /// `config` is pflow's server file.
    #[pyfunction]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's own objects cannot be borrowed while other threads run"
    )]
    fn seen(py: Python<'_>, config: PathBuf, names: Vec<String>) -> Vec<Option<Behind>> {
        py.detach(|| {
            let (file, folder) = (ConfigFile::load(&config).ok(), ConfigFile::memory(&config).ok());
            names
                .iter()
                .map(|name| {
                    let entry = file.as_ref()?.find(name).ok()?;
                    let seen = Seen::last(folder.as_ref()?, &entry)?;
                    Some((seen.kind.map(|kind| kind.to_string()), seen.services))
                })
                .collect()
        })
    }

    /// For each of these gateways: the old catalogue that pflow was shown since then, if it was: when that was read, its number of
    /// tools, and how the gateway was. Times are seconds since 1970. Contacts nothing.
    ///
    /// `folder` is pflow's.
    #[pyfunction]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "Python's own objects cannot be borrowed while other threads run"
    )]
    fn shown_stale(
        py: Python<'_>,
        folder: PathBuf,
        names: Vec<String>,
        since: f64,
    ) -> Vec<Option<(f64, usize, &'static str)>> {
        py.detach(|| {
            let history = History::new(&folder);
            names
                .iter()
                .map(|name| history.stale(name).filter(|stale| stale.at.seconds() >= since))
                .map(|stale| stale.map(|stale| (stale.taken.seconds(), stale.tools, stale.status.as_str())))
                .collect()
        })
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // Packaging compiles this crate once more, when the machine code is made and its digest known. The wheel carries the code beside
        // this library; the program, Python, is elsewhere.
        let library = PathBuf::from(module.filename()?.to_str()?);
        if let Some(sha256) = option_env!("PFLOW_GATEWAY_CODE_SHA256") {
            let file = library.with_file_name("gateway.cwasm");
            runtime::set_packaged_code(runtime::PackagedCode { file, sha256: sha256.to_owned() });
        }
        let python: Option<OsString> = module.py().import("sys")?.getattr("executable")?.extract()?;
        if let (Some(python), Some(packages)) =
            (python.filter(|python| !python.is_empty()), library.parent().and_then(Path::parent))
        {
            runtime::set_compiler(vec![python, "-I".into(), "-c".into(), COMPILE.into(), packages.into()]);
        }
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

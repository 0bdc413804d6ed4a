//! `pflow_gateway._native`: pflow-gateway inside Python.
//! Takes Python values; gives the dicts of `--json` and one tree of exceptions. Never holds the GIL while it waits, and knows
//! nothing about gateways itself: that is the crate `pflow_gateway`.

mod errors;
mod gateway;
mod json;
mod wait;

use pyo3::prelude::*;

/// The Rust side of `pflow_gateway`.
#[pymodule(name = "_native")]
mod native {
    use std::{ffi::OsString, path::PathBuf};

    use pflow_gateway::history::{History, Moment};
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::gateway::Gateway;

    /// Runs one command line in this process, on its own stdin, stdout and stderr; gives its exit code.
    ///
    /// `program` is the name in help texts; `args` are the arguments after it.
    #[pyfunction]
    fn run(py: Python<'_>, program: &str, args: Vec<OsString>) -> u8 {
        py.detach(|| pflow_gateway::cli::run(program, args))
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
        // The wheel carries the component's machine code beside this library; the program, Python, is elsewhere.
        pflow_gateway::runtime::set_packaged_file(
            PathBuf::from(module.filename()?.to_str()?).with_file_name("gateway.cwasm"),
        );
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

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

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // The wheel carries the component's machine code beside this library; the program, Python, is elsewhere.
        pflow_gateway::runtime::set_packaged_file(
            PathBuf::from(module.filename()?.to_str()?).with_file_name("gateway.cwasm"),
        );
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

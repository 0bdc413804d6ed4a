//! The host's errors as Python exceptions.
//! Takes [`pflow_gateway::Error`]; gives an instance of the class that `pflow_gateway.errors` keeps for it. Never decides what an
//! error means: the mapping from class names to exceptions is Python's.

use pflow_gateway::{Class, Error};
use pyo3::prelude::*;

/// The exception for an error.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    build(py, error).unwrap_or_else(|broken| broken)
}

fn build(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let exception = py.import("pflow_gateway.errors")?.getattr("from_parts")?.call1((
        error.class.as_str(),
        &error.message,
        error.hint.as_deref(),
        error.service.as_deref(),
    ))?;
    let exception = PyErr::from_value(exception);
    if let Some(code) = error.find::<std::io::Error>().and_then(std::io::Error::raw_os_error) {
        exception.set_cause(py, Some(of_the_system(py, code)?));
    }
    Ok(exception)
}

/// `FileNotFoundError`, `PermissionError`: Python finds the class by the number.
fn of_the_system(py: Python<'_>, code: i32) -> PyResult<PyErr> {
    let words = py.import("os")?.call_method1("strerror", (code,))?;
    Ok(PyErr::from_value(py.import("builtins")?.getattr("OSError")?.call1((code, words))?))
}

/// The exception for a bug of ours.
pub(crate) fn internal(py: Python<'_>, message: &str) -> PyErr {
    raise(py, &Error::new(Class::Internal, message))
}

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
    Ok(PyErr::from_value(exception))
}

/// The exception for a bug of ours.
pub(crate) fn internal(py: Python<'_>, message: &str) -> PyErr {
    raise(py, &Error::new(Class::Internal, message))
}

//! Between the host's JSON and Python's dicts.
//! Takes and gives what Python's own `json` takes and gives, so that a result here equals `json.loads` of the command's `--json`.
//! Integers of any size stay integers. Never calls into a gateway.

use pflow_gateway::json::{Json, NotJson};
use pyo3::{prelude::*, types::PyString};
use serde::Serialize;

use crate::errors;

/// A report as a dict.
pub(crate) fn to_python<T: Serialize + Sync>(py: Python<'_>, report: &T) -> PyResult<Py<PyAny>> {
    let text = py
        .detach(|| serde_json::to_string(report).map_err(|error| error.to_string()))
        .map_err(|error| errors::internal(py, &error))?;
    Ok(py.import("json")?.call_method1("loads", (PyString::new(py, &text),))?.unbind())
}

/// A JSON object from a mapping. A value that JSON has no form for is Python's own `TypeError` or `ValueError`.
pub(crate) fn object(py: Python<'_>, name: &str, mapping: Option<&Bound<'_, PyAny>>) -> PyResult<Json> {
    let Some(mapping) = mapping else { return Ok(serde_json::Map::new().into()) };
    let options = pyo3::types::PyDict::new(py);
    options.set_item("allow_nan", false)?;
    let text: String = py.import("json")?.call_method("dumps", (mapping,), Some(&options))?.extract()?;
    match Json::object(text) {
        Ok(object) => Ok(object),
        Err(NotJson::NoObject) => Err(pyo3::exceptions::PyTypeError::new_err(format!(
            "{name} must be a dict, not {}",
            mapping.get_type().name()?
        ))),
        Err(error) => Err(pyo3::exceptions::PyValueError::new_err(format!(
            "{name} is not JSON: {}",
            pflow_gateway::sentence(&error)
        ))),
    }
}

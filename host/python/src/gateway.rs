//! `Gateway`: one gateway, for Python.
//! Takes a name of `mcp-servers.json` or a URL; gives the dicts of `--json`. Never touches the network before it is asked something.

use std::{collections::HashMap, path::PathBuf, process, sync::Arc, time::Duration};

use pflow_gateway::{
    CallOptions, Class, Deadline, Error, Result,
    config::{Auth, ConfigFile, Filter, GatewayConfig, Method, Template},
    health::Looker,
    history::{CallResult, History, Moment},
    report,
    runtime::Runtime,
    told_of_stdio,
};
use pflow_gateway_base::sync::Mutex;
use pyo3::{exceptions::PyValueError, prelude::*, types::PyTraceback};

use crate::{
    callbacks::{self, Callbacks},
    errors, json,
    wait::{self, wait},
};

/// How long a call's callbacks may go on after its answer came.
const CALLBACKS: Duration = Duration::from_secs(5);

/// What a target means, and the folder in which pflow keeps what is known of it.
fn configure(
    target: &str,
    file: Option<PathBuf>,
    component: Option<PathBuf>,
    timeout: Option<Duration>,
    auth: Option<Auth>,
) -> Result<(GatewayConfig, Result<PathBuf>)> {
    let path = file.map_or_else(ConfigFile::default_path, Ok)?;
    let mut config = ConfigFile::load(&path)?.find(target)?;
    if let Some(timeout) = timeout {
        config.timeout = timeout;
    }
    if component.is_some() {
        config.component = component.into();
        config.components = None;
    }
    if let Some(auth) = auth {
        config.auth = auth;
    }
    Ok((config, ConfigFile::memory(&path).map_err(Error::from)))
}

/// The same error; of an entry that starts a known product for one program alone, with what to do instead.
fn explained(
    py: Python<'_>,
    error: Error,
    target: &str,
    file: Option<PathBuf>,
    component: Option<PathBuf>,
) -> PyResult<PyErr> {
    let path = file.map_or_else(ConfigFile::default_path, Ok);
    let Some(file) = path.ok().and_then(|path| ConfigFile::load(&path).ok()) else {
        return Ok(errors::raise(py, &error));
    };
    let component = match component {
        Some(component) => Some(component).into(),
        None => file.chosen_component(target).unwrap_or_default(),
    };
    let target = target.to_owned();
    let told = async move { told_of_stdio(error, &file, &target, &component).await };
    let error = wait(py, told, std::future::ready(()))?;
    Ok(errors::raise(py, &error))
}

/// The credential that was given, instead of the one in the entry. As there, `${VAR}` is a variable.
fn credential(
    bearer: Option<String>,
    api_key: Option<String>,
    api_key_header: &str,
    basic: Option<(String, String)>,
    headers: Option<HashMap<String, String>>,
) -> PyResult<Option<Auth>> {
    let method = match (bearer, api_key, basic) {
        (None, None, None) => Method::None,
        (Some(token), None, None) => Method::Bearer { token: Template::new(token) },
        (None, Some(key), None) => Method::ApiKey { header: header(api_key_header)?, key: Template::new(key) },
        (None, None, Some((username, password))) => {
            Method::Basic { username: Template::new(username), password: Template::new(password) }
        }
        _ => return Err(PyValueError::new_err("bearer, api_key and basic exclude each other: give one of them")),
    };
    let headers = headers.unwrap_or_default().into_iter();
    let headers: PyResult<Vec<_>> = headers.map(|(name, value)| Ok((header(&name)?, Template::new(value)))).collect();
    let auth = Auth { method, headers: headers? };
    Ok((!auth.is_none()).then_some(auth))
}

/// The name of a header.
fn header<T: std::str::FromStr>(name: &str) -> PyResult<T> {
    name.parse().map_err(|_| PyValueError::new_err(format!("{name:?} is no name of a header")))
}

fn seconds(name: &str, value: Option<f64>) -> PyResult<Option<Duration>> {
    value
        .map(|seconds| {
            Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero()).ok_or_else(|| {
                PyValueError::new_err(format!("{name} must be a positive number of seconds, not {seconds}"))
            })
        })
        .transpose()
}

/// One gateway: a name in pflow's mcp-servers.json, or an http(s) URL.
#[pyclass(frozen, module = "pflow_gateway")]
pub(crate) struct Gateway {
    shared: Arc<Shared>,
}

/// What a question takes along to the runtime's threads.
struct Shared {
    config: GatewayConfig,
    /// Of what is remembered; why there is none.
    folder: Result<PathBuf>,
    open: Mutex<Option<Open>>,
}

/// What a gateway is in one process.
#[derive(Clone)]
struct Open {
    process: u32,
    gateway: pflow_gateway::Gateway,
    history: History,
}

impl Shared {
    /// The gateway as this process has it: a fork starts with a new one.
    fn live(&self) -> Result<Open> {
        let mut slot = self.open.lock();
        if let Some(open) = slot.as_ref()
            && open.process == process::id()
        {
            return Ok(open.clone());
        }
        let runtime = Runtime::shared(&self.config.component, &self.config.limits)?;
        let open = Open {
            process: process::id(),
            gateway: pflow_gateway::Gateway::new(runtime, self.config.clone()),
            history: match &self.folder {
                Ok(folder) => History::new(folder),
                Err(error) => History::off(error.message.clone()),
            },
        };
        if let Some(parents) = slot.replace(open.clone()) {
            // Its threads, connections and open files are the parent's.
            std::mem::forget(parents);
        }
        Ok(open)
    }

    /// The same, as far as it is there by then: the component may be large and new, and compiling it takes its time.
    async fn opened(self: Arc<Self>, by: Deadline) -> Result<Open> {
        let late = |limit: Duration| {
            let limit = limit.as_secs_f64();
            Error::new(Class::Timeout, format!("the component was not ready within {limit} s"))
                .with_hint("nothing was sent; the next question finds it ready, or allow more with timeout=")
        };
        let live = tokio::task::spawn_blocking(move || self.live());
        let open = by.bound(live).await.map_err(|_| late(by.limit()))?;
        let open = open.map_err(|error| Error::new(Class::Internal, "opening was cut short").because(error))??;
        Ok(Open { gateway: open.gateway.until(by), ..open })
    }

    /// What is there already, in this process. Waits for nothing: while it is being made, it is not there.
    fn present(&self) -> Option<pflow_gateway::Gateway> {
        let open = self.open.try_lock()?;
        open.as_ref().filter(|open| open.process == process::id()).map(|open| open.gateway.clone())
    }
}

impl Gateway {
    /// Asks the gateway something that has so much time.
    fn ask<T, F>(
        &self,
        py: Python<'_>,
        timeout: Option<Duration>,
        question: impl FnOnce(Open) -> F + Send + 'static,
    ) -> PyResult<Result<T>>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send,
    {
        let by = Deadline::within(timeout.unwrap_or(self.shared.config.timeout));
        let (shared, left) = (Arc::clone(&self.shared), Arc::clone(&self.shared));
        let asked = async move {
            let open = shared.opened(by).await?;
            Ok(question(open).await)
        };
        let farewell = async move {
            if let Some(gateway) = left.present() {
                gateway.hang_up().await;
            }
        };
        let answer = wait(py, asked, farewell);
        if answer.is_err() {
            self.tell_left_running(py);
        }
        answer
    }

    /// On stderr: the exception is the interruption's.
    fn tell_left_running(&self, py: Python<'_>) {
        let Some(gateway) = self.shared.present() else { return };
        for left in gateway.left_running().into_iter().filter(|left| !left.repeatable) {
            let line = format!("⚠ {}\n", left.words(&self.shared.config.name));
            // A program without stderr does not want to hear it.
            let _ = py
                .import("sys")
                .and_then(|sys| sys.getattr("stderr"))
                .and_then(|err| err.call_method1("write", (line,)));
        }
    }
}

#[pymethods]
impl Gateway {
    #[new]
    #[pyo3(
        signature = (target, *, config=None, component=None, timeout=None, bearer=None, api_key=None,
            api_key_header="X-API-Key", basic=None, headers=None)
    )]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        py: Python<'_>,
        target: &str,
        config: Option<PathBuf>,
        component: Option<PathBuf>,
        timeout: Option<f64>,
        bearer: Option<String>,
        api_key: Option<String>,
        api_key_header: &str,
        basic: Option<(String, String)>,
        headers: Option<HashMap<String, String>>,
    ) -> PyResult<Self> {
        let timeout = seconds("timeout", timeout)?;
        let auth = credential(bearer, api_key, api_key_header, basic, headers)?;
        let (config, folder) = py
            .detach(|| configure(target, config.clone(), component.clone(), timeout, auth))
            .or_else(|error| Err(explained(py, error, target, config, component)?))?;
        Ok(Self { shared: Arc::new(Shared { config, folder, open: Mutex::new(None) }) })
    }

    /// The entry's name, or the URL.
    #[getter]
    fn name(&self) -> &str {
        &self.shared.config.name
    }

    /// Goes through the steps of connecting, one by one. A failure is in the report.
    fn test(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let report = self.ask(py, None, |Open { gateway, .. }| async move { gateway.test().await })?;
        json::to_python(py, &report.map_err(|error| errors::raise(py, &error))?)
    }

    /// The services behind the gateway.
    fn services(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let report = self.ask(py, None, |Open { gateway, .. }| async move { gateway.services().await })?;
        json::to_python(py, &report.and_then(|report| report).map_err(|error| errors::raise(py, &error))?)
    }

    /// The tools that the gateway's own filter and these arguments both keep.
    #[pyo3(
        signature = (*, services=Vec::new(), exclude_services=Vec::new(), include=Vec::new(), exclude=Vec::new(),
            read_only=false, no_destructive=false, control_tools=false),
        text_signature = "($self, *, services=(), exclude_services=(), include=(), exclude=(), read_only=False, \
            no_destructive=False, control_tools=False)"
    )]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn tools(
        &self,
        py: Python<'_>,
        services: Vec<String>,
        exclude_services: Vec<String>,
        include: Vec<String>,
        exclude: Vec<String>,
        read_only: bool,
        no_destructive: bool,
        control_tools: bool,
    ) -> PyResult<Py<PyAny>> {
        let narrow = Filter {
            include_services: services,
            exclude_services,
            include_tools: include,
            exclude_tools: exclude,
            read_only,
            no_destructive,
            control_tools,
        };
        let report = self.ask(py, None, |Open { gateway, .. }| async move { gateway.tools(&narrow).await })?;
        json::to_python(py, &report.and_then(|report| report).map_err(|error| errors::raise(py, &error))?)
    }

    /// How the gateway and the services behind it are, and since when. A failure is in the report.
    fn health(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let report = self.ask(py, None, |Open { gateway, history, .. }| async move {
            let looker = Looker::new(history, Vec::new());
            let (health, _) = looker.look(&gateway).await;
            report::Health { status: health.status, gateways: vec![health], history_off: looker.history().why_off() }
        })?;
        json::to_python(py, &report.map_err(|error| errors::raise(py, &error))?)
    }

    /// Calls one tool.
    #[pyo3(signature = (tool, arguments=None, *, timeout=None, meta=None, on_progress=None, on_message=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn call(
        &self,
        py: Python<'_>,
        tool: String,
        arguments: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
        meta: Option<&Bound<'_, PyAny>>,
        on_progress: Option<Py<PyAny>>,
        on_message: Option<Py<PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let arguments = json::object(py, "arguments", arguments)?;
        let timeout = seconds("timeout", timeout)?;
        let meta = meta.map(|meta| json::object(py, "meta", Some(meta))).transpose()?;
        let Callbacks { on_progress, on_message, end } = callbacks::start(on_progress, on_message)?;
        let options = CallOptions { on_progress, on_message, meta, ..CallOptions::default() };
        let report = self.ask(py, timeout, |Open { gateway, history, .. }| async move {
            let report = Arc::new(gateway.call(&tool, arguments, options).await);
            let seen = Arc::clone(&report);
            // A failing service is known before anybody asks for its health; the file may be slow, or locked.
            let remembered = tokio::task::spawn_blocking(move || {
                if let Some((service, result)) = CallResult::of(&seen) {
                    history.record_call(&seen.gateway, &service, &result, Moment::now());
                }
            });
            let _ = remembered.await;
            report
        })?;
        if let Some(end) = end {
            // What came before the answer is told before it.
            wait::ended(py, end, CALLBACKS)?;
        }
        let report = report.map_err(|error| errors::raise(py, &error))?;
        match report.as_ref() {
            // Nothing came back from the tool: that is the gateway's failure, not the tool's answer.
            report::Call { result: None, error: Some(error), .. } => Err(errors::raise(py, error)),
            report if report.ok => json::to_python(py, report),
            report => {
                let mut report = report.clone();
                report.explain_failure();
                json::to_python(py, &report)
            }
        }
    }

    /// Ends the session at the gateway. The next question opens a new one.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let open = py.detach(|| self.shared.open.lock().take());
        match open {
            Some(Open { process, gateway, .. }) if process == process::id() => {
                wait(py, async move { gateway.close().await }, std::future::ready(()))
            }
            Some(parents) => {
                std::mem::forget(parents);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (kind=None, value=None, traceback=None))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: Option<&Bound<'_, PyAny>>,
        value: Option<&Bound<'_, PyAny>>,
        traceback: Option<&Bound<'_, PyTraceback>>,
    ) -> PyResult<()> {
        let _ = (kind, value, traceback);
        self.close(py)
    }

    fn __repr__(&self) -> String {
        format!("Gateway({:?})", self.shared.config.name)
    }
}

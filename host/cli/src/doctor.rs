//! `doctor`: everything on this machine that has to be right before a gateway can be.
//! Takes files, variables and programs as they are; gives findings, each with its remedy. Contacts no gateway unless asked, and changes
//! nothing.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, SystemTime},
};

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    args,
    context::Context,
    pins,
    screen::{BOLD, DIM, GREEN, RED, Reply, YELLOW, careful, no, styled, yes},
};
use pflow_gateway::{
    config::{ConfigFile, GatewayConfig, Launcher, Template, Variables},
    history::Moment,
};
use pflow_gateway_base::{Class, Error, files::mode, scrub};
use pflow_gateway_host_egress::{Scheme, usual_root_count, variables_of_the_way};
use pflow_gateway_runtime::{CodeStore, Runtime, Source};

/// How long pflow's Python may take to say which versions are installed.
const PATIENCE: Duration = Duration::from_secs(20);
/// A file cannot be newer than now by more than this, unless the clock is wrong.
const AHEAD: Duration = Duration::from_hours(1);
/// 2026-01-01: this program is younger.
const BORN: u64 = 1_767_225_600;
/// Minor versions of pflow that the tests try (`docs/reference/pflow-versions.md`); the wheel's `_pflow.py` has the same.
const TRIED: [&str; 5] = ["0.12", "0.13", "0.14", "0.15", "0.16"];
/// The first that asks for a version of the package `mcp` that it works with.
const ASKS_FOR_MCP: &str = "0.16";

/// What pflow's own Python says. Nothing of the folder that this is run in is imported.
const ASK: &str = "import sys; sys.path[:] = [p for p in sys.path if p]\n\
    import json\n\
    from importlib import metadata\n\
    def version(name):\n\
    \x20   try: return metadata.version(name)\n\
    \x20   except Exception: return None\n\
    print(json.dumps({'pflow': version('pflow-cli'), 'gateway': version('pflow-gateway'), 'mcp': version('mcp'), \
    'hook': '_pflow_gateway_boot' in sys.modules}))";

/// `0.16` of `0.16.0`.
fn minor(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// Whether this pflow would take a version of the package `mcp` that it does not know, and register tools without their parameters.
fn loses_parameters(pflow: &str, mcp: &str) -> bool {
    let major = mcp.split('.').next().and_then(|major| major.parse::<u32>().ok());
    minor(pflow) != ASKS_FOR_MCP && major.is_some_and(|major| major >= 2)
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Finding {
    /// What it is about: program, pflow, entry …
    area: &'static str,
    /// The entry or gateway, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Good, bad, or (null) worth a look.
    ok: Option<bool>,
    detail: String,
    /// What to do.
    remedy: Option<String>,
}

/// The findings so far.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, area: &'static str, ok: Option<bool>, detail: impl Into<String>, remedy: Option<String>) {
        self.0.push(Finding { area, name: None, ok, detail: scrub::line(&detail.into(), 400), remedy });
    }

    fn good(&mut self, area: &'static str, detail: impl Into<String>) {
        self.add(area, Some(true), detail, None);
    }

    fn bad(&mut self, area: &'static str, detail: impl Into<String>, remedy: impl Into<String>) {
        self.add(area, Some(false), detail, Some(remedy.into()));
    }

    fn doubt(&mut self, area: &'static str, detail: impl Into<String>, remedy: impl Into<String>) {
        self.add(area, None, detail, Some(remedy.into()));
    }

    /// A failure; with what to do where it does not say that itself.
    fn error(&mut self, area: &'static str, error: &Error, otherwise: &str) {
        let remedy = error.hint.clone().unwrap_or_else(|| otherwise.to_owned());
        self.bad(area, error.message.clone(), remedy);
    }

    /// What was added since then is about this entry.
    fn about(&mut self, since: usize, name: &str) {
        for finding in self.0.iter_mut().skip(since) {
            finding.name = Some(scrub::line(name, 100));
        }
    }
}

/// `doctor`.
pub(super) async fn doctor(context: &Context, flags: &args::Doctor) -> Reply {
    let mut found = Findings::default();
    program(context, &mut found);
    component(context, &mut found);
    pflow(&mut found).await;
    permissions(context, &mut found);
    let file = match context.file() {
        Ok(file) => Some(file),
        Err(error) => {
            found.error("file", &error, "correct the file");
            None
        }
    };
    if let Some(file) = &file {
        entries(context, file, &mut found);
    }
    proxies(&mut found);
    certificates(&mut found);
    clock(context, &mut found);
    caches(context, &mut found);
    if let Some(file) = file.as_ref().filter(|_| flags.contact) {
        contact(context, file, &mut found).await;
    }
    let bad = found.0.iter().filter(|finding| finding.ok == Some(false)).count();
    let json = json!({"ok": bad == 0, "findings": found.0, "contacted": flags.contact, "error": null});
    let mut reply = Reply::good(shown(&found.0, bad, context, flags), &json);
    reply.code = u8::from(bad > 0);
    reply
}

fn shown(findings: &[Finding], bad: usize, context: &Context, flags: &args::Doctor) -> String {
    let mut text = String::new();
    let title = |finding: &Finding| match &finding.name {
        Some(name) => format!("{} {name}", finding.area),
        None => finding.area.to_owned(),
    };
    let width = findings.iter().map(|finding| title(finding).chars().count()).max().unwrap_or_default();
    for finding in findings {
        let (mark, style) = match finding.ok {
            Some(true) => (yes(), GREEN),
            Some(false) => (no(), RED),
            None => (careful(), YELLOW),
        };
        let title = title(finding);
        let padding = " ".repeat(width.saturating_sub(title.chars().count()));
        let detail = if finding.ok == Some(true) { finding.detail.clone() } else { styled(style, &finding.detail) };
        let _ = writeln!(text, "{mark} {}{padding}  {detail}", styled(BOLD, &title));
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(text, "  → {}", scrub::line(remedy, 400));
        }
    }
    let doubts = findings.iter().filter(|finding| finding.ok.is_none()).count();
    let verdict = match (bad, doubts) {
        (0, 0) => "Nothing is wrong here".to_owned(),
        (0, 1) => "Nothing is wrong here; 1 thing is worth a look".to_owned(),
        (0, doubts) => format!("Nothing is wrong here; {doubts} things are worth a look"),
        (1, _) => "1 thing is wrong".to_owned(),
        (bad, _) => format!("{bad} things are wrong"),
    };
    let _ = writeln!(text, "{verdict}");
    if !flags.contact {
        let hint = format!("No gateway was contacted; {} doctor --contact tests each of them", context.program);
        let _ = writeln!(text, "{}", styled(DIM, &hint));
    }
    text
}

fn program(context: &Context, found: &mut Findings) {
    let version = env!("CARGO_PKG_VERSION");
    match Launcher::current() {
        Ok(launcher) => {
            let words: Vec<&str> =
                std::iter::once(&launcher.command).chain(&launcher.args).map(String::as_str).collect();
            found.good("program", format!("pflow-gateway {version}, started as {}", words.join(" ")));
        }
        Err(error) => found.error("program", &error.into(), "start it by its absolute path"),
    }
    if context.program == "pflow-gateway" && on_path("pflow-gateway").is_none() {
        found.doubt(
            "program",
            "pflow-gateway is not on PATH",
            "entries work all the same; to type it, put its folder on PATH, or type pflow mcp gateway",
        );
    }
}

fn component(context: &Context, found: &mut Findings) {
    let chosen = match &context.component {
        Some(file) => Ok(Source::File(file.clone())),
        None => pins::components(context)
            .and_then(|all| Ok(all.chosen("")?))
            .map(|pin| pin.map_or(Source::BuiltIn, |pin| pin.to_run())),
    };
    match chosen.and_then(|source| Ok(Runtime::shared(&source, &pflow_gateway_runtime::Limits::default())?)) {
        Ok(runtime) => {
            let report = runtime.describe();
            let short: String = report.sha256.chars().take(12).collect();
            found.good(
                "component",
                format!("{} ({short}), contract {}@{}", report.source, report.package, report.version),
            );
        }
        Err(error) => found.error("component", &error, "choose another one, or go back: component reset"),
    }
}

/// Where the system finds a program.
fn on_path(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(&file)).find(|file| file.is_file())
}

/// The program pflow: the one beside this program, as `setup` runs it, or on PATH.
fn find_pflow() -> Option<PathBuf> {
    let beside = || {
        let launcher = Launcher::current().ok()?;
        let beside = Path::new(&launcher.command).with_file_name(format!("pflow{}", std::env::consts::EXE_SUFFIX));
        beside.is_file().then_some(beside)
    };
    beside().or_else(|| on_path("pflow"))
}

/// The Python that a script is run by: `#!/venv/bin/python`, or for long paths `#!/bin/sh` and `'''exec' /venv/bin/python "$0" "$@"`.
fn interpreter(script: &Path) -> Option<PathBuf> {
    let bytes = fs::read(script).ok()?;
    let head: String = String::from_utf8_lossy(bytes.get(..bytes.len().min(4_096))?).into_owned();
    let mut lines = head.lines();
    let first = lines.next()?.strip_prefix("#!")?.trim();
    if Path::new(first).is_file() && !first.ends_with("/sh") {
        return Some(PathBuf::from(first));
    }
    let second = lines.next()?.strip_prefix("'''exec' ")?;
    let words = shlex::split(second)?;
    words.into_iter().next().map(PathBuf::from)
}

async fn pflow(found: &mut Findings) {
    let Some(program) = find_pflow() else {
        return found.bad(
            "pflow",
            "pflow is not on PATH",
            "install it (pip install pflow-cli), or put its folder on PATH; pflow-gateway alone works without it",
        );
    };
    let place = program.display().to_string();
    let Some(python) = fs::canonicalize(&program).ok().or(Some(program)).and_then(|script| interpreter(&script)) else {
        return found.doubt(
            "pflow",
            format!("{place}, whose Python was not found"),
            "run pflow --version to see that it works",
        );
    };
    let said = match ask(&python).await {
        Ok(said) => said,
        Err(why) => {
            let remedy = "run pflow --version; if it fails, install pflow-cli again";
            return found.bad("pflow", format!("{place}: {} {why}", python.display()), remedy);
        }
    };
    let version = |name: &str| said.get(name).and_then(Value::as_str);
    let [oldest, .., newest] = TRIED;
    match version("pflow") {
        Some(tried) if TRIED.contains(&minor(tried).as_str()) => {
            found.good("pflow", format!("pflow-cli {tried}, {place}"));
            let mcp = version("mcp").unwrap_or_default();
            if loses_parameters(tried, mcp) {
                found.bad(
                    "pflow",
                    format!("pflow-cli {tried} loses the parameters of every tool with the package mcp {mcp}"),
                    "install an older one where pflow is: pip install 'mcp<2'",
                );
            }
        }
        Some(other) => found.doubt(
            "pflow",
            format!("pflow-cli {other}, {place}; the tests try {oldest} to {newest}"),
            format!("if something does not work, try it with pflow-cli {newest}"),
        ),
        None => found.bad("pflow", format!("{place} has no package pflow-cli"), "install pflow-cli again"),
    }
    let own = env!("CARGO_PKG_VERSION");
    let hook = said.get("hook").and_then(Value::as_bool).unwrap_or_default();
    let off = std::env::var("PFLOW_GATEWAY_DISABLE").is_ok_and(|value| !value.is_empty() && value != "0");
    match version("gateway") {
        None if !hook => found.doubt(
            "hook",
            "the wheel pflow_gateway is not installed where pflow is, so there is no `pflow mcp gateway`",
            "install the wheel there; entries that say serve work without it",
        ),
        _ if off => found.doubt(
            "hook",
            "PFLOW_GATEWAY_DISABLE is set, so there is no `pflow mcp gateway`",
            "unset PFLOW_GATEWAY_DISABLE",
        ),
        Some(version) if !hook => found.bad(
            "hook",
            format!("the wheel {version} is installed where pflow is, and its start-up hook did not run"),
            "install the wheel again; pflow_gateway.pth has to be in site-packages",
        ),
        Some(version) if version != own => found.doubt(
            "hook",
            format!("the wheel where pflow is has version {version}, and this program {own}"),
            "install both of one version",
        ),
        version => {
            found.good("hook", format!("`pflow mcp gateway` is there, wheel {}", version.unwrap_or("of no version")));
        }
    }
}

async fn ask(python: &Path) -> Result<Value, String> {
    let mut command = tokio::process::Command::new(python);
    command.args(["-c", ASK]).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output());
    let output = output.await.map_err(|_| format!("did not answer in {} s", PATIENCE.as_secs()))?;
    let output = output.map_err(|error| format!("cannot be started: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("failed: {}", scrub::line(said.lines().last().unwrap_or_default(), 200))
    })
}

fn permissions(context: &Context, found: &mut Findings) {
    let (Ok(file), Ok(folder)) = (context.path(), context.folder()) else { return };
    let before = found.0.len();
    if let Some(mode) = mode(&folder).filter(|mode| mode & 0o022 != 0) {
        let folder = folder.display();
        found.bad(
            "permissions",
            format!("other users can write to {folder} (mode {mode:o}), and put programs there that pflow starts"),
            format!("chmod go-w {folder}"),
        );
    }
    for file in [file, folder.join("settings.json")] {
        if let Some(mode) = mode(&file).filter(|mode| mode & 0o077 != 0) {
            let file = file.display();
            found.doubt(
                "permissions",
                format!("other users can read {file} (mode {mode:o})"),
                format!("chmod 600 {file}"),
            );
        }
    }
    if before == found.0.len() && folder.exists() {
        found.good("permissions", format!("{} is this user's alone to change", folder.display()));
    }
}

fn entries(context: &Context, file: &ConfigFile, found: &mut Findings) {
    let path = file.path().display();
    let gateways = file.gateways();
    match (file.path().exists(), gateways.len()) {
        (false, _) => {
            found.doubt("file", format!("{path} is not there yet"), format!("{} add NAME URL", context.program));
        }
        (true, 0) => {
            found.doubt("file", format!("no gateway is in {path}"), format!("{} add NAME URL", context.program));
        }
        (true, 1) => found.good("file", format!("1 gateway in {path}")),
        (true, many) => found.good("file", format!("{many} gateways in {path}")),
    }
    for remark in file.remarks() {
        found.doubt("file", remark, format!("edit {path}"));
    }
    let variables = Variables::of_this_user().ok();
    for (name, config) in gateways {
        let since = found.0.len();
        match config {
            Err(error) => found.error("entry", &error.into(), &format!("correct it in {path}")),
            Ok(config) => entry(context, file, &name, &config, variables.as_ref(), found),
        }
        if since == found.0.len() {
            found.good("entry", "can be started");
        }
        found.about(since, &name);
    }
    for (name, misfit) in file.misfits() {
        let (since, error) = (found.0.len(), Error::from(misfit));
        found.doubt("entry", error.message, error.hint.unwrap_or_else(|| format!("correct it in {path}")));
        found.about(since, &name);
    }
}

fn entry(
    context: &Context,
    file: &ConfigFile,
    name: &str,
    config: &GatewayConfig,
    variables: Option<&Variables>,
    found: &mut Findings,
) {
    let path = file.path().display();
    for want in file.refused(config) {
        let remedy = format!("if you trust it as it is: {} trust {path}", context.program);
        found.bad("entry", format!("wants to {want}, and the file is not trusted"), remedy);
    }
    let Some(variables) = variables else { return };
    if let Some(launch) = file.launch(name, variables) {
        if let Some(broken) = launch.broken {
            found.bad("entry", format!("pflow cannot start it: {broken}"), format!("{} adopt {name}", context.program));
        }
        for doubt in launch.doubts {
            found.doubt(
                "entry",
                doubt,
                format!("{} adopt {name} writes anew how it is started, or edit {path}", context.program),
            );
        }
    }
    let mut seen = Vec::new();
    for (variable, default) in config.variables() {
        if default.is_none() && !seen.contains(&variable) && Template::variable(variable).resolve(variables).is_err() {
            found.bad(
                "entry",
                format!("the variable {variable} is not set"),
                format!("export {variable}=…, or pflow settings set-env {variable} VALUE"),
            );
        }
        seen.push(variable);
    }
    if let Some(ca_file) = config.ca_file.as_ref().filter(|file| fs::File::open(file).is_err()) {
        found.bad(
            "entry",
            format!("its ca_file {} cannot be read", ca_file.display()),
            format!("correct \"ca_file\" in {path}"),
        );
    }
}

/// Which entries of it are started without them is told of each entry.
fn proxies(found: &mut Findings) {
    let of = [Scheme::Https, Scheme::Http].into_iter().flat_map(variables_of_the_way);
    let set: BTreeSet<&str> = of
        .filter(|name| name.to_ascii_lowercase().ends_with("_proxy"))
        .filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        .collect();
    if set.is_empty() {
        return found.good("proxy", "no proxy variable is set");
    }
    found.good("proxy", format!("{} set, and obeyed", set.into_iter().collect::<Vec<_>>().join(", ")));
}

fn certificates(found: &mut Findings) {
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        // An empty one is none, and the folders may be several.
        let named = std::env::var_os(variable).filter(|value| !value.is_empty()).unwrap_or_default();
        let places: Vec<PathBuf> =
            if variable == "SSL_CERT_DIR" { std::env::split_paths(&named).collect() } else { vec![named.into()] };
        for place in places.iter().filter(|place| !place.as_os_str().is_empty() && !place.exists()) {
            let place = place.display();
            found.bad(
                "certificates",
                format!("{variable} says {place}, which does not exist"),
                format!("correct or unset {variable}"),
            );
        }
    }
    match usual_root_count() {
        0 => found.bad(
            "certificates",
            "there are no root certificates, so no https gateway is believed",
            "install the package ca-certificates, or name a PEM file with --ca-file",
        ),
        many => found.good("certificates", format!("{many} root certificates")),
    }
}

fn clock(context: &Context, found: &mut Findings) {
    let now = SystemTime::now();
    let said = Moment::now().rfc3339();
    let set = "set the clock: tokens and certificates are judged by it";
    if now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs()) < BORN {
        return found.bad("clock", format!("this computer says that it is {said}"), set);
    }
    let newer = |path: &Path| {
        let changed = fs::metadata(path).and_then(|found| found.modified()).ok()?;
        changed.duration_since(now).ok().filter(|ahead| *ahead > AHEAD)
    };
    match context.path().ok().as_deref().and_then(newer) {
        Some(_) => {
            found.doubt("clock", format!("it is {said}, and pflow's server file was changed later than that"), set);
        }
        None => found.good("clock", said),
    }
}

fn caches(context: &Context, found: &mut Findings) {
    match CodeStore::of_this_process().cache {
        None => found.doubt(
            "cache",
            "there is no folder for compiled components: another component than the built-in one is compiled at every start",
            "set HOME or XDG_CACHE_HOME",
        ),
        Some(folder) => match trouble(&folder) {
            None => found.good("cache", folder.display().to_string()),
            Some(why) => found.bad("cache", format!("{}: {why}", folder.display()), "the folder can be deleted: it is made anew"),
        },
    }
    let history = context.history();
    // Looks at the file, and makes none.
    let _ = history.last("", Moment::now());
    match (history.why_off(), history.path()) {
        (Some(why), _) => {
            found.doubt(
                "history",
                format!("nothing is remembered of gateways: {why}"),
                "check the folder's permissions and free space",
            );
        }
        (None, Some(path)) => found.good("history", path.display().to_string()),
        (None, None) => {}
    }
}

/// Why a folder that is there is not used.
fn trouble(folder: &Path) -> Option<String> {
    if !folder.exists() {
        return None;
    }
    if let Err(error) = pflow_gateway_base::folder::Folder::private(folder) {
        return Some(error.to_string());
    }
    None
}

async fn contact(context: &Context, file: &ConfigFile, found: &mut Findings) {
    for (name, config) in file.gateways() {
        let Ok(config) = config else { continue };
        let since = found.0.len();
        match context.open(config).await {
            Err(error) => found.error("gateway", &error, "test shows it step by step"),
            Ok(gateway) => {
                let report = gateway.test().await;
                gateway.close().await;
                match report.error {
                    None if report.ok => {
                        found.good("gateway", format!("works: {} tools", report.tools.unwrap_or_default()));
                    }
                    error => {
                        let error = error.unwrap_or_else(|| Error::new(Class::UpstreamError, "the test failed"));
                        found.error("gateway", &error, "test shows it step by step");
                    }
                }
            }
        }
        found.about(since, &name);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn an_older_pflow_loses_parameters_with_the_second_mcp_and_a_newer_one_does_not() {
        for (pflow, mcp, loses) in [
            ("0.15.1", "2.0.0", true),
            ("0.12.0", "10.1", true),
            ("0.15.1", "1.30.0", false),
            ("0.16.0", "2.0.0", false),
            ("0.15.1", "", false),
        ] {
            assert_eq!(loses_parameters(pflow, mcp), loses, "{pflow} with {mcp}");
        }
    }

    #[test]
    fn the_python_of_a_script_is_found_however_the_installer_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python");
        fs::write(&python, "").unwrap();
        let script = folder.path().join("pflow");
        let of = |text: String| {
            fs::write(&script, text).unwrap();
            interpreter(&script)
        };
        let there = python.display();
        assert_eq!(of(format!("#!{there}\nimport x\n")), Some(python.clone()));
        assert_eq!(of(format!("#!/bin/sh\n'''exec' \"{there}\" \"$0\" \"$@\"\n' '''\n")), Some(python.clone()));
        assert_eq!(of("\u{7f}ELF".to_owned()), None);
        assert_eq!(of("#!/usr/bin/env python3\n".to_owned()), None);
    }
}

//! `component check`: the conformance kit, for people and for programs.
//! Takes a component, or the one that runs; gives a scored table. Shows on a terminal that it goes on, and nothing of that elsewhere.

use std::{fmt::Write as _, fs, io::IsTerminal as _, sync::Arc};

use serde_json::{Value, json};

use super::{
    args::CheckComponent,
    context::Context,
    pins,
    screen::{BOLD, DIM, Reply, careful, no, say, styled, yes},
};
use pflow_gateway_base::{Class, Error, Result, scrub};
use pflow_gateway_conformance as conformance;
use pflow_gateway_conformance::{Outcome, Report};
use pflow_gateway_runtime::{CONTRACT, PACKAGE, Runtime, Source};

/// `component check`.
pub(super) async fn check(context: &Context, asked: &CheckComponent) -> Reply {
    let component = match chosen(context, asked) {
        Ok(component) => component,
        Err(error) => return Reply::failed(json!({"source": null, "ok": false}), error),
    };
    let source = component.shown();
    let options = conformance::Options {
        interfaces: asked.interfaces.iter().copied().map(Into::into).collect(),
        deadline: context.timeout.unwrap_or(conformance::DEADLINE),
    };
    let progress = Progress::of_this_terminal();
    let loaded = load(component.clone()).await;
    progress.clear();
    match loaded {
        Ok(runtime) => {
            let report =
                conformance::check(Arc::clone(&runtime), &options, |done, total| progress.checked(done, total)).await;
            progress.clear();
            let version = runtime.anatomy().contract().unwrap_or_default().to_owned();
            let fits = format!("{PACKAGE}@{version}");
            answer(serde_json::to_value(runtime.describe()).unwrap_or_default(), &source, &fits, &report)
        }
        // Nothing was looked at: there is nothing to score.
        Err(error) if error.class == Class::Config => Reply::failed(json!({"source": source, "ok": false}), error),
        Err(error) => {
            let bytes = component.file().and_then(|file| fs::read(file).ok());
            let report = conformance::refused(bytes.as_deref(), &error, &options);
            let mut json = json!({"source": source, "ok": false});
            add(&mut json, &report);
            let text = refusal(&source, &report);
            Reply { text, ..Reply::failed(json, error) }
        }
    }
}

/// The file that was named, or the one that runs.
fn chosen(context: &Context, asked: &CheckComponent) -> Result<Source> {
    if let Some(file) = asked.file.as_ref().or(context.component.as_ref()) {
        return Ok(Source::File(file.clone()));
    }
    let gateway = asked.gateway.as_deref().unwrap_or_default();
    Ok(pins::components(context)?.chosen(gateway)?.map_or(Source::BuiltIn, |pin| pin.to_run()))
}

/// Compiles on a thread of its own, so that Ctrl-C works meanwhile.
async fn load(source: Source) -> Result<Arc<Runtime>> {
    let loaded = tokio::task::spawn_blocking(move || Runtime::new(&source));
    Ok(loaded.await.map_err(|error| Error::new(Class::Internal, "loading the component failed").because(error))??)
}

fn add(json: &mut Value, report: &Report) {
    let Ok(Value::Object(further)) = serde_json::to_value(report) else { return };
    if let Some(members) = json.as_object_mut() {
        members.extend(further);
    }
}

fn answer(mut json: Value, source: &str, fits: &str, report: &Report) -> Reply {
    let score = &report.score;
    let error = (!report.is_good()).then(|| {
        let message = format!("{} of {} checks failed", score.failed, score.total);
        Error::new(Class::Component, message).with_hint(
            "wit/gateway.wit says at the cited places what is meant; --interface NAME checks only what you implement",
        )
    });
    if let Some(members) = json.as_object_mut() {
        members.insert("ok".to_owned(), report.is_good().into());
        members.insert("error".to_owned(), serde_json::to_value(&error).unwrap_or_default());
    }
    add(&mut json, report);
    let mark = if report.is_good() { yes() } else { no() };
    let source = scrub::line(source, 300);
    let mut text = format!("{mark} {source}: {fits}, {} of {} checks passed\n", score.passed, score.total);
    for interface in &report.interfaces {
        let score = &interface.score;
        let _ = writeln!(text, "\n{}  {} of {}", styled(BOLD, interface.name.as_str()), score.passed, score.total);
        for check in report.checks.iter().filter(|check| check.interface == interface.name) {
            lines(check, &mut text);
        }
    }
    let _ = writeln!(text, "\n{}", total(report));
    Reply::judged(text, &json, error)
}

/// One check: a line when it is good, what was expected and found when it is not.
fn lines(check: &conformance::Checked, text: &mut String) {
    let _ = match check.outcome {
        Outcome::Passed => writeln!(text, "  {} {}", yes(), check.name),
        Outcome::NotOffered => {
            writeln!(text, "  {} {}\n      {} {}", careful(), check.name, styled(DIM, "not offered"), check.found)
        }
        Outcome::Failed => writeln!(
            text,
            "  {} {}\n      {} {} {}\n      {}    {}",
            no(),
            check.name,
            styled(DIM, "expected"),
            check.expected,
            styled(DIM, &format!("({})", check.cites)),
            styled(DIM, "found"),
            check.found
        ),
    };
}

/// `score  90 of 92 (97 %): discovery 47/49, filter 14/14`.
fn total(report: &Report) -> String {
    let parts: Vec<String> = report
        .interfaces
        .iter()
        .map(|of| format!("{} {}/{}", of.name.as_str(), of.score.passed, of.score.total))
        .collect();
    let score = &report.score;
    let left_out = if score.not_offered == 0 { String::new() } else { format!("; {} not offered", score.not_offered) };
    format!("score  {} of {} ({} %): {}{left_out}", score.passed, score.total, score.percent, parts.join(", "))
}

/// Nothing of it was run: only what shows from outside.
fn refusal(source: &str, report: &Report) -> String {
    let source = scrub::line(source, 300);
    let mut text = format!("{} {source} does not fit {PACKAGE}@{CONTRACT}; nothing of it was run\n", no());
    for check in report.checks.iter().filter(|check| !check.found.starts_with("not run")) {
        lines(check, &mut text);
    }
    let _ = writeln!(text, "\n{}", total(report));
    text
}

/// A line on stderr that changes, on a terminal only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Shown,
    Silent,
}

impl Progress {
    fn of_this_terminal() -> Self {
        if std::io::stderr().is_terminal() { Self::Shown } else { Self::Silent }
    }

    fn line(self, text: &str) {
        if self == Self::Shown {
            say(&format!("\r\x1b[2K{text}"));
        }
    }

    fn clear(self) {
        self.line("");
    }

    fn checked(self, done: usize, total: usize) {
        self.line(&format!("Checking against imitation gateways: {done} of {total} …"));
    }
}

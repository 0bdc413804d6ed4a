//! `import`: servers of other MCP clients become entries here.
//! Takes files of other programs, which are only read; says what would be written and what is left out, asks, tests and writes. Never
//! overwrites an entry, and never sends a credential anywhere before somebody agreed to where it goes.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf, time::Duration};

use http::HeaderName;
use serde_json::{Value, json};

use super::{
    answers::Answers,
    args,
    context::Context,
    edit::Plan,
    render::count,
    screen::{Format, Reply, careful, no, say, yes},
};
use pflow_gateway::{
    config::{ConfigFile, shown_target},
    imports::{self, Found, Http, Server},
};
use pflow_gateway_base::{Class, Error, Result, scrub};

/// A file that was read, or could not be.
struct Read {
    path: PathBuf,
    client: Option<&'static str>,
    servers: Result<Vec<Found>>,
}

/// A server that becomes an entry.
struct Ready {
    plan: Plan,
    from: PathBuf,
    http: Http,
    called: String,
}

/// A server that does not, and why.
struct Left {
    name: String,
    from: PathBuf,
    error: Error,
    /// It was meant to be written.
    failed: bool,
}

/// What there is to do.
struct Work {
    files: Vec<Read>,
    ready: Vec<Ready>,
    left: Vec<Left>,
}

/// `import`.
pub(super) async fn import(context: &Context, import: &args::Import, answers: &mut Answers) -> Reply {
    let shape = json!({"files": [], "imported": [], "left_out": [], "written": false, "file": null, "next": []});
    let mut work = match gather(context, import) {
        Ok(work) => work,
        Err(error) => return Reply::failed(shape, error),
    };
    let plan = told(&work);
    if work.ready.is_empty() || import.dry_run {
        return end(context, &work, &[], &plan, None);
    }
    if !import.yes {
        if !answers.can_correct() {
            let error = Error::config("there is no terminal to confirm these entries; nothing was written")
                .with_hint("look with --dry-run, then write them with --yes");
            return end(context, &work, &[], &plan, Some(error));
        }
        say(&plan);
        let file = context.path().map_or_else(|_| "mcp-servers.json".to_owned(), |path| path.display().to_string());
        let question = format!("Write {} to {}", entries(work.ready.len()), scrub::line(&file, 200));
        match answers.agree(&question, "n").await {
            Ok(true) => {}
            Ok(false) => {
                let error =
                    Error::config("nothing was written, as you said").with_hint("--only NAME writes some of them");
                return end(context, &work, &[], "", Some(error));
            }
            Err(error) => return end(context, &work, &[], "", Some(error)),
        }
    }
    let mut written = Vec::new();
    for ready in std::mem::take(&mut work.ready) {
        match write(context, &ready, import.no_test).await {
            Ok(tested) => {
                if context.format == Format::Text {
                    say(&format!(
                        "{} {} {}\n",
                        yes(),
                        ready.plan.new.name,
                        if tested { "answers, and was added" } else { "was added, and not tested" }
                    ));
                }
                written.push((ready, tested));
            }
            Err(error) => {
                work.left.push(Left { name: ready.plan.new.name, from: ready.from, error, failed: true });
            }
        }
    }
    let text = if import.yes { plan } else { String::new() };
    end(context, &work, &written, &text, None)
}

/// Reads the files, and sorts what is in them.
fn gather(context: &Context, import: &args::Import) -> Result<Work> {
    let files: Vec<Read> = match &import.file {
        Some(path) => vec![Read { servers: Ok(imports::read(path)?), path: path.clone(), client: None }],
        None => imports::there()
            .into_iter()
            .map(|(client, path)| {
                let servers = imports::read(&path).map_err(Error::from);
                Read { servers, path, client: Some(client.title()) }
            })
            .collect(),
    };
    if files.is_empty() {
        let places: Vec<String> = imports::usual()
            .into_iter()
            .map(|(client, path)| format!("{} ({})", path.display(), client.title()))
            .collect();
        return Err(Error::config(format!(
            "no server file of another MCP client was found; looked for {}",
            places.join(", ")
        ))
        .with_hint("name one: import FILE"));
    }
    let here = context.file()?;
    let (mut ready, mut left): (Vec<Ready>, Vec<Left>) = (Vec::new(), Vec::new());
    let mut unseen = import.only.clone();
    for file in &files {
        for found in file.servers.iter().flatten() {
            if !import.only.is_empty() && !import.only.iter().any(|name| *name == found.name || *name == found.called) {
                continue;
            }
            unseen.retain(|name| *name != found.name && *name != found.called);
            match sort(context, &here, found, &ready) {
                Ok((plan, http)) => {
                    ready.push(Ready { plan, from: file.path.clone(), http, called: found.called.clone() });
                }
                Err(error) => {
                    left.push(Left { name: found.called.clone(), from: file.path.clone(), error, failed: false });
                }
            }
        }
    }
    if let Some(name) = unseen.first() {
        let names: Vec<&str> =
            files.iter().flat_map(|file| file.servers.iter().flatten()).map(|found| found.name.as_str()).collect();
        return Err(Error::config(format!("no server is called {:?} there", scrub::line(name, 100)))
            .with_hint(format!("there are {}", scrub::line(&names.join(", "), 300))));
    }
    Ok(Work { files, ready, left })
}

/// The entry that a server becomes, or why it becomes none.
fn sort(context: &Context, here: &ConfigFile, found: &Found, ready: &[Ready]) -> Result<(Plan, Http)> {
    let name = &found.name;
    let http = match &found.server {
        Server::Http(http) => http,
        Server::Unfit(error) => return Err(error.clone()),
        Server::Program { bridge: Some(url), command } => {
            return Err(Error::config(format!("it is a program ({command}) that only passes messages on to {url}"))
                .with_hint(format!("pflow needs no program for that: {} add {name} {url}", context.program)));
        }
        Server::Program { command, .. } => {
            return Err(Error::config(format!("it is a program ({command}) that the client starts, and no gateway"))
                .with_hint("pflow starts programs by itself: `pflow mcp add` takes such an entry as JSON"));
        }
    };
    let plan = plan(context, name, http)?;
    let url = plan.new.address.written();
    if here.contains(name) {
        let same = here.find(name).is_ok_and(|known| known.address.written() == url);
        let why = if same {
            "it is an entry here already, with this URL"
        } else {
            "an entry here has this name, and another URL"
        };
        let hint = if same {
            "nothing is to be done".to_owned()
        } else {
            format!("add it under another name: {} add NAME {}", context.program, shown_target(url))
        };
        return Err(Error::config(why).with_hint(hint));
    }
    if let Some(other) = ready.iter().find(|other| other.plan.new.name == *name) {
        let from = other.from.display();
        return Err(Error::config(format!("a server of this name comes from {from} already"))
            .with_hint("name the file that counts: import FILE"));
    }
    Ok((plan, (**http).clone()))
}

fn plan(context: &Context, name: &str, http: &Http) -> Result<Plan> {
    let mut auth = args::Auth::default();
    for (header, value) in &http.headers {
        let token = value
            .strip_prefix("Bearer ${")
            .and_then(|rest| rest.strip_suffix('}'))
            .filter(|_| header.eq_ignore_ascii_case("authorization"));
        let is_name = |variable: &&str| variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if let Some(variable) = token.filter(is_name) {
            auth.bearer_env = Some(variable.to_owned());
            continue;
        }
        let header = HeaderName::from_bytes(header.as_bytes()).map_err(|_| {
            Error::config(format!("{:?} is no name of a header", scrub::line(header, 60))).with_hint("correct it there")
        })?;
        auth.headers.push((header, value.clone()));
    }
    let pick = args::Pick {
        include_tools: http.include.clone(),
        exclude_tools: http.exclude.clone(),
        ..args::Pick::default()
    };
    let entry = args::Entry { pick, ..args::Entry::default() };
    let mut plan = Plan::new(context, name, &http.url, &entry, &auth)?;
    if let Some(place) = plan.new.address.literal_key() {
        return Err(Error::config(format!("its URL holds what looks like a key in plain text ({place})")).with_hint(
            format!(
                "keep the key in a variable: {} add {name} 'URL with ${{VARIABLE}} in place of the key'",
                context.program
            ),
        ));
    }
    if context.timeout.is_none() {
        plan.new.timeout = http.timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    }
    Ok(plan)
}

/// Tests and writes one; whether it was tested.
async fn write(context: &Context, ready: &Ready, untested: bool) -> Result<bool> {
    let plan = &ready.plan;
    let set = |variable: &String| {
        pflow_gateway::config::Variables::of_this_user()
            .is_ok_and(|all| pflow_gateway::config::Template::variable(variable).resolve(&all).is_ok())
    };
    // What was in plain text there is in no variable yet, unless somebody was quick.
    let unset =
        ready.http.moved.iter().map(|(_, variable)| variable).chain(&ready.http.asked).any(|variable| !set(variable));
    if untested || unset {
        plan.write(context, None).await?;
        return Ok(false);
    }
    let gateway = plan.open(context).await?;
    let _waiting = context.waiting.on(&plan.new.name);
    let report = gateway.test().await;
    let outcome = if report.ok {
        let plan = plan.clone().with_seen(report.kind.clone());
        let written = plan.write(context, Some(&gateway)).await;
        if let Ok(written) = &written {
            plan.remember(context, &gateway, report.kind.clone(), &written.names).await;
        }
        written.map(|_| true)
    } else {
        let error = report.error.clone().unwrap_or_else(|| Error::new(Class::UpstreamError, "the test failed"));
        let nothing = "it was not written; --no-test writes it all the same";
        let hint = error.hint.as_ref().map_or_else(|| nothing.to_owned(), |hint| format!("{hint} ({nothing})"));
        Err(error.with_hint(hint))
    };
    gateway.close().await;
    outcome
}

fn entries(number: usize) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{number} entries") }
}

/// What would be written, and what not, in words.
fn told(work: &Work) -> String {
    let mut text = String::new();
    for file in &work.files {
        let client = file.client.map_or_else(String::new, |client| format!(" ({client})"));
        match &file.servers {
            Ok(servers) => {
                let _ = writeln!(text, "{}{client}: {}", file.path.display(), count(servers.len(), "server"));
            }
            Err(error) => {
                let _ = writeln!(text, "{} {}", careful(), scrub::line(&error.message, 300));
            }
        }
    }
    for ready in &work.ready {
        let new = &ready.plan.new;
        let renamed = if ready.called == new.name {
            String::new()
        } else {
            format!(" (there: {})", scrub::line(&ready.called, 100))
        };
        let _ = writeln!(text, "  {}{renamed}  {}  {}", new.name, new.address.shown(), new.auth.describe());
        for (header, variable) in &ready.http.moved {
            let _ = writeln!(
                text,
                "    {} the value of {} is in plain text there and stays there; here it is ${{{variable}}}: pflow settings set-env {variable} VALUE",
                careful(),
                scrub::line(header, 60)
            );
        }
        for variable in &ready.http.asked {
            let _ = writeln!(
                text,
                "    {} the client asks you for this value; here it is ${{{variable}}}: pflow settings set-env {variable} VALUE",
                careful()
            );
        }
    }
    text
}

fn end(context: &Context, work: &Work, written: &[(Ready, bool)], plan: &str, error: Option<Error>) -> Reply {
    let mut text = plan.to_owned();
    for left in &work.left {
        let mark = if left.failed { no() } else { careful() };
        let _ = writeln!(
            text,
            "{mark} {} is left out: {}",
            scrub::line(&left.name, 100),
            scrub::line(&left.error.message, 300)
        );
        if let Some(hint) = &left.error.hint {
            let _ = writeln!(text, "    → {}", scrub::line(hint, 300));
        }
    }
    let next: Vec<String> =
        written.iter().map(|(ready, _)| format!("pflow mcp sync {}", ready.plan.new.name)).collect();
    let path = context.path().ok().map(|path| path.display().to_string());
    let file = path.as_deref().map_or_else(String::new, |path| format!(" to {}", scrub::line(path, 300)));
    if !written.is_empty() {
        let _ = writeln!(text, "{} Added {}{file}", yes(), entries(written.len()));
        for next in &next {
            let _ = writeln!(text, "  → {next}");
        }
    } else if error.is_none() && !work.ready.is_empty() {
        let _ = writeln!(text, "{} Would add {}{file}; nothing was written", yes(), entries(work.ready.len()));
    } else if error.is_none() {
        let _ = writeln!(text, "{} nothing was written", careful());
    }
    let as_json = |ready: &Ready, tested: Option<bool>| {
        let entry = ready.plan.new.entry().map(|(_, entry)| entry).unwrap_or_default();
        let variables: BTreeMap<&str, &str> =
            ready.http.moved.iter().map(|(header, variable)| (variable.as_str(), header.as_str())).collect();
        json!({
            "gateway": ready.plan.new.name, "called": ready.called, "from": ready.from.display().to_string(),
            "url": ready.plan.new.address.shown(), "entry": entry, "moved": variables, "asked": ready.http.asked, "tested": tested,
        })
    };
    let imported: Vec<Value> = written
        .iter()
        .map(|(ready, tested)| as_json(ready, Some(*tested)))
        .chain(work.ready.iter().map(|ready| as_json(ready, None)))
        .collect();
    let files: Vec<Value> = work
        .files
        .iter()
        .map(|file| json!({"file": file.path.display().to_string(), "client": file.client, "servers": file.servers.as_ref().ok().map(Vec::len), "error": file.servers.as_ref().err()}))
        .collect();
    let left_out: Vec<Value> = work
        .left
        .iter()
        .map(|left| json!({"name": scrub::line(&left.name, 100), "from": left.from.display().to_string(), "failed": left.failed, "error": left.error}))
        .collect();
    let mut reply = Reply::judged(
        text,
        &json!({
            "files": files, "imported": imported, "left_out": left_out, "written": !written.is_empty(), "file": path, "next": next, "error": error,
        }),
        error,
    );
    if reply.error.is_none() && work.left.iter().any(|left| left.failed) {
        reply.code = 1;
    }
    reply
}

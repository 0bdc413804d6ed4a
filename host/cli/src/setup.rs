//! `setup`: a gateway found, asked about, tested and written.
//! Takes flags and answers; writes what `add` would. Every question has a flag. Never asks for, shows or stores the value of a token.

use std::{fmt::Write as _, net::Ipv4Addr, process::Stdio, time::Duration};

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{
    answers::Answers,
    args, claims,
    context::{Context, credential, variable_name},
    edit::{Plan, Split},
    listener, render,
    screen::{DIM, Reply, Shown, advise, careful, explain, say, styled, yes},
    steps::{Steps, To},
};
use pflow_gateway::{
    Gateway,
    config::{
        Address, Auth, Claims, ConfigFile, GatewayConfig, Launcher, Method, Replace, Template, Variables, check_name,
    },
    report::{self, Kind},
};
use pflow_gateway_base::{Class, Error, Result, scrub};
use pflow_gateway_runtime::{Product, Source};

/// A connection on this machine takes well under a millisecond.
const KNOCK: Duration = Duration::from_millis(300);

/// `setup`.
pub(super) async fn setup(context: &Context, setup: &args::Setup, answers: &mut Answers) -> Reply {
    let shape = json!({"gateway": setup.name, "added": [], "entries": {}, "test": null, "synced": false});
    match go_through(context, setup, answers).await {
        Ok(reply) => reply,
        Err(error) => Reply::failed(shape, error),
    }
}

async fn go_through(context: &Context, setup: &args::Setup, answers: &mut Answers) -> Result<Reply> {
    let products = context.products(setup.name.as_deref().unwrap_or_default()).await?;
    let (product, found) = choose_product(&products, setup, answers).await?;
    let url = choose_url(setup, product, found, answers).await?;
    let name = choose_name(context, setup, product, answers).await?;
    let auth = choose_credential(context, setup, product, answers).await?;
    let entry = args::Entry {
        kind: setup.product.clone(),
        pick: setup.pick.clone(),
        trust: setup.trust,
        changes: setup.changes,
        ..args::Entry::default()
    };
    let mut plan = Plan::new(
        context,
        &name,
        &url,
        &entry,
        &args::Auth { ca_file: setup.auth.ca_file.clone(), ..args::Auth::default() },
    )?;
    plan.new.auth = auth;
    plan.replace = if setup.replace { Replace::Yes } else { Replace::No };
    plan.check_free(&context.file()?)?;
    say_what_goes_where(setup, &plan, answers).await?;

    let (gateway, tested) = match prove(context, setup, product, &mut plan, answers).await? {
        Proven::Works(gateway, tested) => (gateway, tested),
        Proven::Fails(reply) => return Ok(reply),
    };
    let outcome = choose_services(context, setup, &mut plan, &gateway, answers).await;
    let waiting = context.waiting.on(&name);
    let written = match outcome {
        // What was chosen is a part of the entry, and per-service entries come from the filtered list.
        Ok(()) => match plan.open(context).await {
            Ok(chosen) => {
                let settled = choose_trust(context, &mut plan, chosen, answers).await;
                match settled {
                    Ok(chosen) => {
                        let written = plan.write(context, Some(&chosen)).await;
                        chosen.close().await;
                        written
                    }
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    if let Ok(written) = &written {
        plan.remember(context, &gateway, tested.kind.clone(), &written.names).await;
    }
    gateway.close().await;
    drop(waiting);
    let written = written?;
    let warnings = written.warnings();
    for warning in &warnings {
        say(&format!("{} {warning}\n", careful()));
    }
    let path = context.path()?.display().to_string();
    say(&format!("{} Added {} to {path}\n", yes(), written.names.join(", ")));
    let synced = choose_sync(setup, &written.names, answers).await?;
    let next: Vec<String> =
        if synced { Vec::new() } else { written.names.iter().map(|name| format!("pflow mcp sync {name}")).collect() };
    let text = next.iter().fold(String::new(), |mut text, next| {
        let _ = writeln!(text, "  → {next}");
        text
    });
    let json = json!({
        "gateway": name, "added": written.names, "entries": Value::Object(written.entries), "file": path, "test": tested,
        "synced": synced, "next": next, "warnings": warnings, "error": null,
    });
    Ok(Reply::good(text, &json))
}

/// The product, and the port on which something listens where it usually does.
async fn choose_product<'a>(
    products: &'a [Product],
    setup: &args::Setup,
    answers: &mut Answers,
) -> Result<(&'a Product, Option<u16>)> {
    let of = |kind: &Kind| {
        products.iter().find(|product| product.kind == *kind).ok_or_else(|| {
            Error::config(format!("the component knows no product {kind}"))
                .with_hint(format!("there are: {}", ids(products).join(", ")))
        })
    };
    if let Some(kind) = &setup.product {
        let product = of(kind)?;
        let found = if setup.url.is_none() { listens(&product.ports).await } else { None };
        return Ok((product, found));
    }
    let generic = of(&Kind::default())?;
    if setup.url.is_some() {
        return Ok((generic, None));
    }
    let mut first = None;
    for product in products {
        if let Some(port) = listens(&product.ports).await {
            say(&format!("{} Something listens on port {port}, where a {} usually does\n", yes(), product.title));
            first = first.or(Some((product, port)));
        }
    }
    let usual = first.map_or(generic, |(product, _)| product).kind.as_str();
    let numbered: Vec<String> =
        ids(products).iter().enumerate().map(|(at, id)| format!("{} {id}", at.saturating_add(1))).collect();
    let question = format!("Which gateway: {}", either(&numbered));
    loop {
        let answer = answers.ask(&question, usual).await?;
        let number = answer.parse::<usize>().ok().and_then(|number| products.get(number.checked_sub(1)?));
        let named = products.iter().find(|product| product.kind.as_str() == answer || product.entry_name == answer);
        if let Some(product) = named.or(number) {
            let found = first.filter(|(known, _)| known.kind == product.kind).map(|(_, port)| port);
            return Ok((product, if found.is_some() { found } else { listens(&product.ports).await }));
        }
        say(&format!("  {}, please\n", either(&ids(products))));
    }
}

fn ids(products: &[Product]) -> Vec<String> {
    products.iter().map(|product| product.kind.to_string()).collect()
}

/// `a, b or c`.
fn either(all: &[String]) -> String {
    match all.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => all.concat(),
    }
}

/// The first of these ports of this machine on which something listens.
async fn listens(ports: &[u16]) -> Option<u16> {
    for port in ports {
        let knock = TcpStream::connect((Ipv4Addr::LOCALHOST, *port));
        if matches!(tokio::time::timeout(KNOCK, knock).await, Ok(Ok(_))) {
            return Some(*port);
        }
    }
    None
}

async fn choose_url(
    setup: &args::Setup,
    product: &Product,
    found: Option<u16>,
    answers: &mut Answers,
) -> Result<String> {
    if let Some(url) = &setup.url {
        return Ok(url.clone());
    }
    if found.is_none() {
        let ports: Vec<String> = product.ports.iter().map(ToString::to_string).collect();
        let missing = format!("no {} was found on this machine (port {})", product.title, ports.join(", "));
        if !answers.can_correct() {
            let url = "give its URL with --url";
            let hint = product
                .start
                .as_ref()
                .map_or_else(|| url.to_owned(), |start| format!("start it with: {start}; or {url}"));
            return Err(Error::config(missing).with_hint(hint));
        }
        // The URL is asked for now: that is no warning.
        let start = product.start.as_ref().map_or_else(String::new, |start| format!("  → to start one: {start}\n"));
        say(&format!("  {missing}\n{start}"));
    }
    if let Some(hint) = &product.url_hint {
        say(&format!("  {hint}\n"));
    }
    let usual = found.map_or_else(String::new, |port| format!("http://127.0.0.1:{port}{}", product.path));
    loop {
        let url = answers.ask("The gateway's MCP URL", &usual).await?;
        match GatewayConfig::for_url(&url) {
            Ok(_) => return Ok(url),
            Err(error) if !answers.can_correct() => return Err(error.into()),
            Err(error) => say(&explain(&error.into())),
        }
    }
}

async fn choose_name(
    context: &Context,
    setup: &args::Setup,
    product: &Product,
    answers: &mut Answers,
) -> Result<String> {
    if let Some(name) = &setup.name {
        return Ok(name.clone());
    }
    let file = context.file()?;
    let usual = if setup.replace { product.entry_name.clone() } else { free_name(&file, &product.entry_name) };
    loop {
        let name = answers.ask("Name of the entry", &usual).await?;
        match check_name(&name) {
            Err(error) if answers.can_correct() => say(&explain(&error.into())),
            _ if setup.replace || !file.contains(&name) || !answers.can_correct() => return Ok(name),
            _ => say(&format!("  {name} is taken\n")),
        }
    }
}

fn free_name(file: &ConfigFile, name: &str) -> String {
    let numbered = (2..100_u32).map(|number| format!("{name}{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|name| !file.contains(name))
        .unwrap_or_else(|| name.to_owned())
}

async fn choose_credential(
    context: &Context,
    setup: &args::Setup,
    product: &Product,
    answers: &mut Answers,
) -> Result<Auth> {
    if let Some(auth) = credential(&setup.auth)? {
        return Ok(auth);
    }
    // One that needs a token says so, and then it is asked for again.
    let variable = product.token_variable.as_str();
    let mut usual = if is_set(context, variable)? { variable } else { "none" };
    let name = setup.name.as_deref().unwrap_or_default();
    if !answers.can_correct() && usual != "none" && context.component_of(name) != Source::BuiltIn {
        // Which variable is read and sent is a decision; a component from elsewhere does not make it alone.
        say(&format!(
            "{} the component, which is not the built-in one, names {variable} as the variable of the token; it was not taken\n  → if that is meant: --bearer-env {variable}\n",
            careful()
        ));
        usual = "none";
    }
    loop {
        let answer = answers.ask("Environment variable that holds the gateway's token, or none", usual).await?;
        if answer == "none" || answer == "-" {
            return Ok(Auth::default());
        }
        match variable_name(&answer) {
            Ok(name) => {
                if !is_set(context, name)? {
                    say(&unset(name));
                }
                let auth = Auth { method: Method::Bearer { token: Template::variable(name) }, headers: Vec::new() };
                return Ok(auth);
            }
            Err(error) if !answers.can_correct() => return Err(error),
            Err(error) => say(&explain(&error)),
        }
    }
}

/// Whether the variable holds anything, here or in pflow's settings as they are now.
fn is_set(context: &Context, name: &str) -> Result<bool> {
    let value = Template::variable(name).resolve(&Variables::load(&context.folder()?));
    Ok(value.is_ok_and(|value| !value.expose_secret().trim().is_empty()))
}

/// This process does not see what is exported from now on; what pflow's settings hold it reads again.
fn unset(name: &str) -> String {
    format!("{} {name} is not set\n  → in another terminal: pflow settings set-env {name} VALUE\n", careful())
}

/// Before anything is sent: the credential, and who gets it. A port that was only found is held by whoever came first.
async fn say_what_goes_where(setup: &args::Setup, plan: &Plan, answers: &mut Answers) -> Result<()> {
    if plan.new.auth.is_none() {
        return Ok(());
    }
    let (credential, url) = (plan.new.auth.describe(), plan.new.address.shown());
    say(&format!("  {credential} goes to {url}\n"));
    let url = plan.new.address.url();
    let local = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let owner =
        url.port_or_known_default().filter(|_| local && setup.url.is_none()).and_then(listener::of_another_user);
    let Some(owner) = owner else { return Ok(()) };
    let found = format!("what listens there belongs to another user of this machine (user id {owner})");
    if answers.can_correct() {
        say(&format!("{} {found}\n", careful()));
        if answers.agree("Send it the credential all the same", "n").await? {
            return Ok(());
        }
    }
    Err(Error::config(format!("{}: {found}, and gets no credential", plan.new.address.shown()))
        .with_hint("if it is the gateway that you mean, name it with --url"))
}

enum Proven {
    Works(Gateway, Box<report::Test>),
    Fails(Reply),
}

/// Tests until it works, or until whoever answers has had enough.
async fn prove(
    context: &Context,
    setup: &args::Setup,
    product: &Product,
    plan: &mut Plan,
    answers: &mut Answers,
) -> Result<Proven> {
    loop {
        let gateway = plan.open(context).await?;
        let steps = Steps::of(context, &gateway, To::Stderr);
        let report = steps.test(context, &gateway).await;
        say(&steps.rest(&report));
        if report.ok {
            return Ok(Proven::Works(gateway, Box::new(report)));
        }
        let waiting = context.waiting.on(&plan.new.name);
        gateway.close().await;
        drop(waiting);
        let error = report.error.clone().unwrap_or_else(|| Error::new(Class::UpstreamError, "the test failed"));
        let told = render::tells(&report, &error);
        if answers.can_correct() {
            say(&if told == Shown::Already { advise(&error) } else { explain(&error) });
            if matches!(error.class, Class::AuthRequired | Class::TokenExpired | Class::Forbidden | Class::Config) {
                if let Some(token) = other_token(context, product, plan, answers).await? {
                    plan.new.auth.method = Method::Bearer { token };
                    continue;
                }
            } else if let Some(address) = other_url(plan, answers).await? {
                let moved = address != plan.new.address;
                plan.new.address = address;
                if moved {
                    say_what_goes_where(setup, plan, answers).await?;
                }
                continue;
            }
        }
        let shape = json!({"gateway": plan.new.name, "added": [], "entries": {}, "test": report, "synced": false});
        return Ok(Proven::Fails(Reply::failed(shape, error).told(told)));
    }
}

/// Where the gateway is after all, or that it is tried there again. None: whoever answers has had enough.
async fn other_url(plan: &Plan, answers: &mut Answers) -> Result<Option<Address>> {
    loop {
        // As written it may hold a key.
        let usual = plan.new.address.shown();
        let answer = answers.ask("The gateway's MCP URL, to try again, or stop", usual).await?;
        if answer == "stop" {
            return Ok(None);
        }
        if answer == usual {
            return Ok(Some(plan.new.address.clone()));
        }
        match GatewayConfig::for_url(&answer) {
            Ok(config) => return Ok(Some(config.address)),
            Err(error) => say(&explain(&error.into())),
        }
    }
}

/// Where the token is after all. None: whoever answers has had enough.
async fn other_token(
    context: &Context,
    product: &Product,
    plan: &Plan,
    answers: &mut Answers,
) -> Result<Option<Template>> {
    let usual = match &plan.new.auth.method {
        Method::Bearer { token } => token.names().next().unwrap_or(&product.token_variable).to_owned(),
        _ => product.token_variable.clone(),
    };
    loop {
        let question = "Environment variable that holds the token, once it is set, or stop";
        let answer = answers.ask(question, &usual).await?;
        if answer == "stop" {
            return Ok(None);
        }
        match variable_name(&answer) {
            Ok(name) => {
                if is_set(context, name)? {
                    return Ok(Some(Template::variable(name)));
                }
                say(&unset(name));
            }
            Err(error) => say(&explain(&error)),
        }
    }
}

/// Narrows the plan to the services wanted.
async fn choose_services(
    context: &Context,
    setup: &args::Setup,
    plan: &mut Plan,
    gateway: &Gateway,
    answers: &mut Answers,
) -> Result<()> {
    let waiting = context.waiting.on(&gateway.config().name);
    let services = gateway.services().await?;
    drop(waiting);
    let names: Vec<&str> = services
        .services
        .iter()
        .filter(|service| service.attribution != report::Attribution::Control)
        .map(|service| service.name.as_str())
        .collect();
    if setup.services.is_empty() {
        let mut list = String::new();
        for (at, service) in
            services.services.iter().filter(|service| names.contains(&service.name.as_str())).enumerate()
        {
            let tools = render::count(service.tools, "tool");
            let _ = writeln!(
                list,
                "  {} {}  {}",
                at.saturating_add(1),
                scrub::line(&service.name, 100),
                styled(DIM, &tools)
            );
        }
        if !names.is_empty() {
            say(&list);
            plan.new.filter.include_services = loop {
                let answer = answers.ask("Services to keep: numbers or names, or all", "all").await?;
                match picked(&answer, &names) {
                    Ok(picked) => break picked,
                    Err(unknown) => say(&format!("  there is no service {}\n", scrub::line(&unknown, 100))),
                }
            };
        }
    } else if setup.services.iter().all(|service| service != "all") {
        let glob = |service: &str| service.contains(['*', '?', '[', '{']);
        if let Some(unknown) = setup
            .services
            .iter()
            .find(|name| !glob(name) && !names.contains(&name.as_str()) && gateway.prefix_of(name).is_none())
        {
            let known: Vec<String> = names.iter().map(|name| scrub::line(name, 100)).collect();
            return Err(Error::config(format!(
                "there is no service {} behind {}",
                scrub::line(unknown, 100),
                plan.new.name
            ))
            .with_hint(format!("there are: {}", known.join(", "))));
        }
        plan.new.filter.include_services.clone_from(&setup.services);
    }
    let kept =
        if plan.new.filter.include_services.is_empty() { names.len() } else { plan.new.filter.include_services.len() };
    let split = setup.per_service || (kept > 1 && answers.agree("One entry per service", "n").await?);
    plan.split = if split { Split::PerService } else { Split::Whole };
    Ok(())
}

/// Declares what names tell of the kept services; where only their tools' own word does, that is asked. Gives the gateway as it is then.
async fn choose_trust(context: &Context, plan: &mut Plan, chosen: Gateway, answers: &mut Answers) -> Result<Gateway> {
    let settled = match claims::settle(plan, &chosen).await {
        Ok(settled) => settled,
        Err(error) => {
            chosen.close().await;
            return Err(error);
        }
    };
    for declared in &settled.declared {
        say(&format!("{} {declared}\n", yes()));
    }
    if let Some(error) = settled.refusal() {
        let believed = answers.can_correct() && {
            say(&format!("{} {}\n", careful(), error.message));
            answers.agree("Believe them", "n").await?
        };
        if !believed {
            chosen.close().await;
            return Err(error);
        }
        plan.new.claims = Claims::Believed;
    } else if settled.declared.is_empty() {
        return Ok(chosen);
    }
    chosen.close().await;
    plan.open(context).await
}

/// The names that an answer means; none for all of them.
fn picked(answer: &str, names: &[&str]) -> Result<Vec<String>, String> {
    let mut picked: Vec<String> = Vec::new();
    for word in answer.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()) {
        if word == "all" {
            return Ok(Vec::new());
        }
        let number = word.parse::<usize>().ok().and_then(|number| names.get(number.checked_sub(1)?));
        let name = names.iter().find(|name| **name == word).or(number).ok_or_else(|| word.to_owned())?;
        if !picked.iter().any(|known| known == name) {
            picked.push((*name).to_owned());
        }
    }
    Ok(picked)
}

async fn choose_sync(setup: &args::Setup, names: &[String], answers: &mut Answers) -> Result<bool> {
    let asks = !setup.sync && !setup.no_sync && answers.can_correct();
    // Whoever leaves now has the entries all the same: that is no error.
    let wanted = setup.sync || (asks && answers.agree("Run pflow mcp sync now", "y").await.unwrap_or(false));
    if !wanted {
        return Ok(false);
    }
    for name in names {
        say(&format!("  {}\n", styled(DIM, &format!("pflow mcp sync {name}"))));
        // stdout is ours; what pflow says belongs to stderr.
        let ran = tokio::process::Command::new(pflow())
            .args(["mcp", "sync", name])
            .stdin(Stdio::null())
            .stdout(Stdio::from(std::io::stderr()))
            .status()
            .await;
        match ran {
            Ok(status) if status.success() => {}
            Ok(status) => {
                say(&format!("{} pflow mcp sync {name} ended with {status}\n", careful()));
                return Ok(false);
            }
            Err(error) => {
                say(&format!("{} pflow cannot be run: {error}\n", careful()));
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// pflow beside the interpreter that runs us, else the one on `PATH`.
fn pflow() -> std::path::PathBuf {
    Launcher::current()
        .ok()
        .map(|launcher| std::path::Path::new(&launcher.command).with_file_name("pflow"))
        .filter(|beside| beside.is_file())
        .unwrap_or_else(|| "pflow".into())
}

#[cfg(test)]
mod tests {
    use super::picked;

    #[test]
    fn services_are_picked_by_number_or_name() {
        let names = ["github", "slack", "2"];
        assert_eq!(picked("all", &names), Ok(vec![]));
        assert_eq!(picked("1, slack 1", &names), Ok(vec!["github".to_owned(), "slack".to_owned()]));
        assert_eq!(picked("2", &names), Ok(vec!["2".to_owned()]), "an exact name before a number");
        for unknown in ["0", "4", "jira", "github jira"] {
            assert!(picked(unknown, &names).is_err(), "{unknown}");
        }
    }
}

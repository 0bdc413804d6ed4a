//! `serve`, `demo` and `component`: what runs until it is ended, and what runs in the sandbox.

use std::{
    io::{IsTerminal as _, Write as _},
    path::Path,
    sync::Arc,
};

use serde_json::json;

use super::{
    args, author, check,
    context::{Context, variable_name},
    pins, render,
    screen::{Format, Reply, after_ctrl_c, careful, print, print_as_it_is, say, yes},
};
use pflow_gateway::{
    config::SERVE_TIMEOUT,
    serve::{self, FileSnapshots, NoSnapshots, Snapshots},
};
use pflow_gateway_base::{
    Error, Result,
    ending::{self, Ending},
    scrub,
};
use pflow_gateway_demo as demo;
use pflow_gateway_demo::Demo;
use pflow_gateway_runtime::{Runtime, Source};

/// `serve`. Says nothing on stdout: that is the protocol's.
pub(super) async fn serve(context: &Context, target: &args::Serve) -> Result<()> {
    let mut config = context.config(&target.target, &args::Auth::default()).await?;
    if !config.timeout_given {
        config.timeout = SERVE_TIMEOUT;
    }
    let gateway = context.open(config).await?;
    let by_hand = std::io::stdin().is_terminal();
    if by_hand {
        say(&what_it_is(&context.program, &gateway.config().name));
    }
    let snapshots: Arc<dyn Snapshots> = match context.memory() {
        Ok(folder) => Arc::new(FileSnapshots::new(&folder, gateway.config())),
        Err(_) => Arc::new(NoSnapshots),
    };
    // pflow's registry may hold names of then.
    if let Some(last) = snapshots.load() {
        gateway.recall(&last.tools.tools);
    }
    serve::serve(gateway, snapshots, context.history()).await;
    if by_hand {
        after_ctrl_c();
    }
    Ok(())
}

/// For whoever types it at a terminal: pflow starts it by itself, and nobody speaks its protocol by hand.
fn what_it_is(program: &str, target: &str) -> String {
    let name = scrub::line(target, 100);
    format!(
        "{} this is an MCP server on stdin and stdout for {name}; pflow and other MCP clients start it by themselves\n  → to try the gateway: {program} test {name}\n  Ctrl-D or Ctrl-C ends it.\n",
        careful()
    )
}

/// `demo`. Says where it listens, then runs until it is asked to end.
pub(super) async fn demo(context: &Context, demo: &args::Demo, format: Format) -> Result<()> {
    let token = match &demo.token_env {
        None => demo::random_token("demo-")?,
        Some(variable) => {
            std::env::var(variable_name(variable)?).ok().filter(|token| !token.trim().is_empty()).ok_or_else(|| {
                Error::config(format!("the variable {variable} is not set")).with_hint(format!("export {variable}=…"))
            })?
        }
    };
    let options = demo::Options { listen: demo.listen, token: token.clone(), page_size: demo.page_size };
    let running = Demo::start(options).await?;
    let tools: usize = running.services().iter().map(|service| service.tools).sum();
    let services: Vec<_> = running
        .services()
        .iter()
        .map(|service| json!({"name": service.name, "tools": service.tools, "credential": service.credential}))
        .collect();
    // A token that the caller chose is not repeated.
    let shown = demo.token_env.is_none().then_some(&token);
    let ready = json!({
        "url": running.url(), "token": shown, "token_env": demo.token_env, "pid": std::process::id(), "tools": tools, "services": services,
    });
    if let Some(file) = &demo.ready_file {
        write_ready(file, &format!("{ready}\n"))?;
    }
    let told = match format {
        Format::Json => print_as_it_is(&format!("{ready}\n")),
        Format::Text => print(&introduction(context, demo, &running, shown)),
    };
    if let Err(error) = told {
        say(&format!("⚠ cannot write where the demo gateway listens: {error}\n"));
    }
    end_requested().await;
    running.stop().await;
    Ok(())
}

fn introduction(context: &Context, demo: &args::Demo, running: &Demo, token: Option<&String>) -> String {
    let url = running.url();
    let services: Vec<String> = running
        .services()
        .iter()
        .map(|of| format!("{} ({}, {})", of.name, render::count(of.tools, "tool"), of.credential))
        .collect();
    let variable = demo.token_env.as_deref().unwrap_or("DEMO_TOKEN");
    let export = token.map_or_else(String::new, |token| format!("    export {variable}={token}\n"));
    let gateway = if context.program == "pflow-gateway" { "pflow mcp gateway" } else { context.program.as_str() };
    format!(
        "{} Demo gateway at {url}\n  Behind it: {}\n\n  Now, in another terminal:\n{export}    \
         {gateway} add demo {url} --bearer-env {variable}\n    {gateway} services demo\n    \
         {gateway} tools demo weather_get_current\n    {gateway} call demo weather_get_current city=Lisbon\n    pflow mcp sync demo\n    \
         pflow mcp list demo\n\n  Ctrl-C ends it.\n",
        yes(),
        services.join(", "),
    )
}

/// Whole or not at all, and for this user alone: it may hold the token.
fn write_ready(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut ready| {
        ready.write_all(text.as_bytes())?;
        ready.persist(file).map_err(std::io::Error::from)
    });
    written.map(drop).map_err(|error| Error::config(format!("cannot write {}", file.display())).because(error))
}

/// Resolves when the process is asked to end.
pub(super) async fn end_requested() {
    match ending::asked().await {
        Ending::Interrupt => after_ctrl_c(),
        Ending::Terminate => {}
    }
}

/// `component`.
pub(super) async fn component(context: &Context, action: &args::ComponentAction) -> Reply {
    match action {
        args::ComponentAction::Show => {
            let chosen = match &context.component {
                Some(file) => Ok(Source::File(file.clone())),
                None => pins::components(context)
                    .and_then(|all| Ok(all.chosen("")?))
                    .map(|pin| pin.map_or(Source::BuiltIn, |pin| pin.to_run())),
            };
            match chosen {
                Ok(source) => show(&source),
                Err(error) => Reply::failed(json!({"source": null}), error),
            }
        }
        args::ComponentAction::Use { file, gateway } => pins::install(context, file, gateway.as_deref()),
        args::ComponentAction::List => pins::list(context),
        args::ComponentAction::Reset { gateway } => pins::reset(context, gateway.as_deref()),
        args::ComponentAction::New(new) => author::new(context, new),
        args::ComponentAction::Build { folder } => author::build(context, folder).await,
        args::ComponentAction::Wit { folder } => author::wit(folder),
        args::ComponentAction::Compose { part, output, behind } => {
            author::compose(context, part, output, behind.as_deref()).await
        }
        args::ComponentAction::Check(asked) => check::check(context, asked).await,
        args::ComponentAction::Export { file } => pins::export(file),
        args::ComponentAction::Precompile { output } => match Runtime::precompile(output) {
            Ok(sha256) => {
                let file = output.display();
                let report = json!({"file": file.to_string(), "sha256": sha256, "error": null});
                Reply::good(format!("{} Wrote {file}\n", yes()), &report)
            }
            Err(error) => Reply::failed(json!({"file": null, "sha256": null}), error.into()),
        },
    }
}

fn show(source: &Source) -> Reply {
    match Runtime::new(source) {
        Ok(runtime) => {
            let report = runtime.describe();
            Reply::good(render::component(&report), &report)
        }
        Err(error) => {
            let source = source.shown();
            Reply::failed(json!({"source": source}), error.into())
        }
    }
}

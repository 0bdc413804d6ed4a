//! The command line, for the binary, for Python's console script and for `pflow mcp gateway …`.
//! Takes the words after the program's name; gives an exit code. Results go to stdout, everything else to stderr; never ends the process.

mod adopt;
mod answers;
mod args;
mod author;
mod check;
mod claims;
mod context;
mod deploy;
mod doctor;
mod edit;
mod editor;
mod examples;
mod given;
mod group;
mod import;
mod listener;
mod look;
mod past;
mod pins;
mod process;
mod products;
mod render;
mod result;
mod run;
mod save;
mod screen;
mod search;
mod set;
mod setup;
mod shell;
mod slips;
mod steps;
mod terminal;
mod tool;
mod trust;
mod uninstall;
mod usage;
mod waiting;
mod watch;

#[cfg(test)]
mod tests;

use std::{ffi::OsString, io::IsTerminal as _, sync::Arc, time::Duration};

use clap::{CommandFactory as _, FromArgMatches as _};
use serde_json::json;
use tracing_subscriber::{Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use self::{
    answers::Answers,
    args::{Cli, Command},
    context::Context,
    screen::{Format, Reply, after_ctrl_c, careful, explain, finish, insist, say},
};
use pflow_gateway_base::{
    Class, Error, Result,
    ending::{self, Ending},
};
use pflow_gateway_runtime::Product;

/// What a shell makes of Ctrl-C.
const INTERRUPTED: u8 = 130;
/// What a shell makes of SIGTERM.
const TERMINATED: u8 = 143;
const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// How long what still runs may take to end after the result is printed.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(200);

/// Runs one command line: `args` without the program's name, `program` as it shall appear in help texts
/// (`pflow-gateway`, `pflow mcp gateway`). Gives the exit code: 0 good, 1 failed or unhealthy, 2 usage or configuration, 130
/// interrupted, 143 terminated.
///
/// Meant for a thread that does nothing else: it blocks until the command is done, and makes its own async runtime.
pub fn run(program: &str, args: impl IntoIterator<Item = OsString>) -> u8 {
    run_all(program, &args.into_iter().collect::<Vec<_>>())
}

/// Not generic, so that all of it is compiled here and not again in every program that calls it.
fn run_all(program: &str, args: &[OsString]) -> u8 {
    let cli = match parse(program, args.iter().cloned()) {
        Ok(cli) => cli,
        Err(error) => return usage::end(&products::in_help(error, program, args), args),
    };
    log(cli.global.verbose, cli.global.quiet);
    process::no_dumps();
    pflow_gateway_runtime::on_compiling(screen::compiling);
    screen::quiet(cli.global.quiet);
    let format = if cli.global.json { Format::Json } else { Format::Text };
    let threads = if cli.command.asks_once() { 1 } else { 2 };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            say(&explain(&Error::new(Class::Internal, "cannot start").because(error)));
            return FAILED;
        }
    };
    match runtime.block_on(products::refused(program, args, &cli)) {
        Some(products::Refusal::Words(error)) => return usage::end(&error, args),
        Some(products::Refusal::Fault(error)) => return finish(&Reply::failed(json!({}), error), format),
        None => {}
    }
    let code = runtime.block_on(carry_out(program, cli, format));
    // A read from stdin cannot be cancelled; it must not hold up the end.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    code
}

fn parse(program: &str, args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    parse_with(program, args, &[])
}

/// The same, where these are the products; any, where there are none.
fn parse_with(
    program: &str,
    args: impl IntoIterator<Item = OsString>,
    products: &[Product],
) -> Result<Cli, clap::Error> {
    let command = Cli::command().name(program.to_owned()).bin_name(program).display_name(program);
    let command = products::offering(examples::with(command, program), products);
    let mut command = if std::io::stdout().is_terminal() { command } else { command.term_width(100) };
    let args: Vec<OsString> = args.into_iter().collect();
    let matches = match command.try_get_matches_from_mut(&args) {
        Ok(matches) => matches,
        Err(error) => return Err(slips::suggest(error, &args, &mut command)),
    };
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The log, on stderr. A second command in one process keeps the first one's.
fn log(verbose: u8, quiet: bool) {
    use tracing::level_filters::LevelFilter;

    let (ours, others) = match verbose {
        _ if quiet => (LevelFilter::ERROR, LevelFilter::OFF),
        0 => (LevelFilter::WARN, LevelFilter::OFF),
        1 => (LevelFilter::INFO, LevelFilter::OFF),
        2 => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::INFO),
    };
    let wanted = Targets::new().with_target("pflow_gateway", ours).with_target("component", ours).with_default(others);
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| waiting::Log)
        .with_ansi(colours)
        .with_target(verbose > 1)
        .without_time()
        .with_filter(wanted);
    let _ = tracing_subscriber::registry().with(lines).try_init();
}

async fn carry_out(program: &str, cli: Cli, format: Format) -> u8 {
    let context = Context::new(program, &cli.global);
    // These end by being asked to; that is not an interruption.
    let lasting = match &cli.command {
        Command::Serve(serve) => Some(run::serve(&context, serve).await),
        Command::Demo(demo) => Some(run::demo(&context, demo, format).await),
        Command::Monitor(monitor) if !monitor.watching.test_alert => {
            Some(watch::monitor(&context, monitor, format).await)
        }
        Command::Health(health) if health.watch.is_some() && !health.watching.test_alert => {
            Some(watch::health(&context, health, format).await)
        }
        _ => None,
    };
    match lasting {
        Some(Ok(())) => return 0,
        // Nothing was served: stdout is free for it.
        Some(Err(error)) => return finish(&Reply::failed(json!({}), error), format),
        None => {}
    }
    let context = Arc::new(context);
    let writes = cli.command.writes();
    // A task of its own: whatever blocks it, the end of the process is heard.
    let mut command = tokio::spawn({
        let context = Arc::clone(&context);
        async move { once(&context, &cli.command).await }
    });
    let signal = tokio::select! {
        reply = &mut command => return match reply {
            Ok(reply) => finish(&reply, format),
            Err(error) => {
                say(&explain(&Error::new(Class::Internal, "the command was cut short").because(error)));
                FAILED
            }
        },
        signal = ending::asked() => signal,
        never = context.waiting.show(format) => match never {},
    };
    command.abort();
    let stopped = tokio::time::timeout(SHUTDOWN_TIMEOUT, &mut command).await.is_ok();
    after_ctrl_c();
    if let Some(words) = writes.then(|| became_of_the_file(&context, stopped)) {
        say(&format!("{words}\n"));
    }
    for left in context.left_running() {
        insist(&format!("{} {left}\n", careful()));
    }
    tokio::select! {
        () = context.hang_up() => {}
        // Whoever asks twice is in a hurry.
        _ = ending::asked() => {}
    }
    code(signal)
}

/// What became of the server file when a command that writes it was interrupted.
fn became_of_the_file(context: &Context, stopped: bool) -> String {
    let file = context.path().map_or_else(|_| "mcp-servers.json".to_owned(), |path| path.display().to_string());
    let file = pflow_gateway_base::scrub::line(&file, 300);
    match (context.has_written(), stopped) {
        (true, _) => format!("Interrupted: {file} was written before that"),
        (false, true) => format!("Interrupted: nothing was written to {file}"),
        (false, false) => format!("Interrupted: whether {file} was written is not known; look into it"),
    }
}

/// What a shell makes of it.
fn code(ending: Ending) -> u8 {
    match ending {
        Ending::Interrupt => INTERRUPTED,
        Ending::Terminate => TERMINATED,
    }
}

async fn once(context: &Context, command: &Command) -> Reply {
    match command {
        Command::Add(add) => edit::add(context, add).await,
        Command::Set(what) => set::set(context, what).await,
        Command::Edit(what) => editor::edit(context, what, &mut Answers::of_this_process()).await,
        Command::Uninstall(what) => uninstall::uninstall(context, what, &mut Answers::of_this_process()).await,
        Command::Remove(remove) if remove.all => group::remove(context, &remove.name),
        Command::Remove(remove) => edit::remove(context, remove),
        Command::Import(what) => {
            let mut answers = Answers::of_this_process();
            import::import(context, what, &mut answers).await
        }
        Command::List => edit::list(context),
        Command::Trust(flags) => trust::trust(flags),
        Command::Deploy(asked) => deploy::deploy(context, asked),
        Command::Doctor(flags) => doctor::doctor(context, flags).await,
        Command::Completions { shell } => shell::completions(*shell),
        // For packages: what they tell is what the program itself knows, whatever component this user chose.
        Command::Man { folder } => shell::man(folder, &Context::built_in_products().await),
        Command::Test(look) => look::test(context, look).await,
        Command::Services(look) => look::services(context, look).await,
        Command::Tools(tools) => look::tools(context, tools).await,
        Command::Health(health) if health.watching.test_alert => {
            watch::test_alert(&health.targets, &health.watching).await
        }
        Command::Monitor(monitor) if monitor.watching.test_alert => {
            watch::test_alert(&monitor.targets, &monitor.watching).await
        }
        Command::Health(health) if health.history => past::health(context, health),
        Command::Health(health) => look::health(context, health).await,
        Command::Snapshot(snapshot) => past::snapshot(context, &snapshot.action),
        Command::Call(call) => look::call(context, call).await,
        Command::Component(component) => run::component(context, &component.action).await,
        Command::Serve(_) | Command::Demo(_) | Command::Monitor(_) => Reply::good(String::new(), &json!({})),
        Command::Adopt(adopt) => adopt::adopt(context, adopt).await,
        Command::Setup(wizard) => {
            let mut answers = if wizard.yes { Answers::Usual } else { Answers::of_this_process() };
            setup::setup(context, wizard, &mut answers).await
        }
    }
}

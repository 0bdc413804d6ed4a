//! Products on the command line: what `--kind` and `setup` take is what the component knows.
//! Takes what was typed; gives the same description of the commands with the products in it. Asks the component only where a product was
//! named, or where somebody wants to read which there are.

use std::{ffi::OsString, path::PathBuf};

use clap::{
    Command,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _},
    error::ErrorKind,
};

use super::{args, context::Context, parse_with};
use pflow_gateway::report::Kind;
use pflow_gateway_base::Error;
use pflow_gateway_runtime::Product;

/// Where a product is named: the command, and the argument of it.
const PLACES: [(&str, &str); 3] = [("add", "kind"), ("adopt", "kind"), ("setup", "product")];

/// The same commands, which take these products and no others.
pub(super) fn offering(command: Command, products: &[Product]) -> Command {
    if products.is_empty() {
        return command;
    }
    with_values(command, products, |product| {
        PossibleValue::new(product.kind.as_str().to_owned()).help(product.title.clone())
    })
}

fn with_values(command: Command, products: &[Product], value: impl Fn(&Product) -> PossibleValue) -> Command {
    PLACES.iter().fold(command, |command, (name, argument)| {
        let values = products.iter().map(&value);
        let parser = PossibleValuesParser::new(values).try_map(|text| args::product(&text));
        command.mut_subcommand(name, |inner| inner.mut_arg(argument, |argument| argument.value_parser(parser)))
    })
}

/// The product that a command names, and the entry that it is for.
fn named(command: &args::Command) -> Option<(&Kind, &str)> {
    match command {
        args::Command::Add(add) => Some((add.entry.kind.as_ref()?, &add.name)),
        args::Command::Adopt(adopt) => Some((adopt.entry.kind.as_ref()?, &adopt.name)),
        args::Command::Setup(setup) => Some((setup.product.as_ref()?, setup.name.as_deref().unwrap_or_default())),
        _ => None,
    }
}

/// Why a command does not even begin.
pub(super) enum Refusal {
    /// It names a product that the component does not know.
    Words(clap::Error),
    /// The component cannot be asked, and the command itself would never find out.
    Fault(Error),
}

/// Whether the command goes on without asking the component anything.
fn asks_nothing(command: &args::Command) -> bool {
    match command {
        args::Command::Add(add) => add.no_test,
        args::Command::Adopt(adopt) => adopt.no_test,
        _ => false,
    }
}

/// Why this command line is wrong after all.
pub(super) async fn refused(program: &str, typed: &[OsString], cli: &args::Cli) -> Option<Refusal> {
    let (kind, name) = named(&cli.command)?;
    let products = match Context::new(program, &cli.global).products(name).await {
        Ok(products) => products,
        // Who cannot be asked refuses nothing: the command meets the same fault, and has more to say of it.
        Err(error) => return asks_nothing(&cli.command).then_some(Refusal::Fault(error)),
    };
    if products.iter().any(|product| product.kind == *kind) {
        return None;
    }
    parse_with(program, typed.iter().cloned(), &products).err().map(Refusal::Words)
}

/// The same message; of help that was asked for, with the products in it.
pub(super) fn in_help(error: clap::Error, program: &str, typed: &[OsString]) -> clap::Error {
    let about_one = command_of(typed).is_some_and(|word| PLACES.iter().any(|(command, _)| word == *command));
    if error.kind() != ErrorKind::DisplayHelp || !about_one {
        return error;
    }
    let global = args::Global {
        component: given(typed, "--component").map(PathBuf::from),
        config: given(typed, "--config").map(PathBuf::from),
        ..args::Global::default()
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return error };
    let Ok(products) = runtime.block_on(Context::new(program, &global).products("")) else { return error };
    parse_with(program, typed.iter().cloned(), &products).err().unwrap_or(error)
}

/// Flags of every command that have a value.
const VALUED: [&str; 4] = ["--config", "--component", "--timeout", "--era"];

/// The command's name, in a line that was not read to its end; of `help NAME` that one.
fn command_of(typed: &[OsString]) -> Option<&str> {
    let mut words = typed.iter().map(|word| word.to_str().unwrap_or_default());
    while let Some(word) = words.next() {
        match word {
            "--" => return None,
            _ if VALUED.contains(&word) => drop(words.next()),
            "help" => {}
            _ if !word.starts_with('-') => return Some(word),
            _ => {}
        }
    }
    None
}

/// The value of a flag, in a line that was not read to its end.
fn given(typed: &[OsString], flag: &str) -> Option<OsString> {
    let at = typed.iter().position(|word| word == flag).and_then(|at| typed.get(at.saturating_add(1))).cloned();
    let joined = || typed.iter().find_map(|word| word.to_str()?.strip_prefix(flag)?.strip_prefix('=').map(Into::into));
    at.or_else(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_asked_only_where_help_is_about_a_command_that_names_products() {
        let of = |line: &str| {
            let typed: Vec<OsString> = line.split(' ').map(Into::into).collect();
            command_of(&typed).map(str::to_owned)
        };
        for (line, command) in [
            ("add --help", Some("add")),
            ("--config add --help", None),
            ("--json --config f help setup", Some("setup")),
            ("call add adopt --help", Some("call")),
            ("help", None),
            ("-- add", None),
        ] {
            assert_eq!(of(line).as_deref(), command, "{line}");
        }
    }
}

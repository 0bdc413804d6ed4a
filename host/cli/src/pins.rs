//! `component use`, `list`, `reset` and `export`: which component runs for which gateway.
//! Takes files and names; gives replies. Runs nothing.

use std::{fmt::Write as _, fs, io::Write as _, path::Path};

use serde_json::{Value, json};

use super::{
    context::Context,
    screen::{Reply, careful, say, yes},
};
use pflow_gateway::components::{Components, Pin, Scope};
use pflow_gateway_base::{Advice as _, Error, Result, scrub};
use pflow_gateway_runtime::BUILT_IN;

fn scope(gateway: Option<&str>) -> Scope {
    gateway.map_or(Scope::All, |name| Scope::Gateway(name.to_owned()))
}

/// The components beside pflow's server file.
pub(super) fn components(context: &Context) -> Result<Components> {
    Ok(Components::beside(&context.path()?))
}

fn shape(scope: &Scope, pin: &Pin) -> Value {
    let gateway = match scope {
        Scope::All => Value::Null,
        Scope::Gateway(name) => name.as_str().into(),
    };
    json!({"gateway": gateway, "sha256": pin.sha256, "source": pin.source, "file": pin.file})
}

/// `component use FILE`.
pub(super) fn install(context: &Context, file: &Path, gateway: Option<&str>) -> Reply {
    let scope = scope(gateway);
    match components(context).and_then(|components| Ok(components.install(file, &scope)?)) {
        Ok(pin) => {
            let mut json = shape(&scope, &pin);
            if let Some(members) = json.as_object_mut() {
                members.insert("error".to_owned(), Value::Null);
            }
            doubt(context, gateway);
            let of = gateway.map_or_else(String::new, |name| format!(" --gateway {}", scrub::line(name, 100)));
            let text = format!(
                "{} {scope}: {} runs from now on\n  sha256 {}\n  → {} component reset{of} goes back\n",
                yes(),
                scrub::line(&file.display().to_string(), 300),
                pin.sha256,
                context.program
            );
            Reply::good(text, &json)
        }
        Err(error) => Reply::failed(json!({"source": file}), error),
    }
}

/// Says that there is no gateway of this name, and which are near: a component for none never runs.
fn doubt(context: &Context, gateway: Option<&str>) {
    let Some((name, file)) = gateway.zip(context.file().ok()).filter(|(name, file)| !file.contains(name)) else {
        return;
    };
    let hint =
        file.find(name).err().and_then(|error| error.hint()).map_or_else(String::new, |hint| format!("; {hint}"));
    let (name, hint) = (scrub::line(name, 100), scrub::line(&hint, 300));
    say(&format!("{} no gateway is called {name} in {}{hint}\n", careful(), file.path().display()));
}

/// `component export FILE`.
pub(super) fn export(file: &Path) -> Reply {
    let shown = scrub::line(&file.display().to_string(), 300);
    match fs::OpenOptions::new().write(true).create_new(true).open(file).and_then(|mut new| new.write_all(BUILT_IN)) {
        Ok(()) => Reply::good(
            format!("{} Wrote the built-in component to {shown}, {} bytes\n", yes(), BUILT_IN.len()),
            &json!({"file": file, "size": BUILT_IN.len(), "error": null}),
        ),
        Err(error) => {
            let error = Error::config(format!("cannot write {shown}"))
                .because(error)
                .with_hint("give the path of a file that is not there yet, in a folder that is");
            Reply::failed(json!({"file": null}), error)
        }
    }
}

/// `component list`.
pub(super) fn list(context: &Context) -> Reply {
    match components(context).and_then(|components| Ok(components.list()?)) {
        Ok(pins) => {
            let mut text = String::new();
            for (scope, pin) in &pins {
                let source = scrub::line(&pin.source.display().to_string(), 300);
                let _ = writeln!(text, "{scope}: {source}\n  sha256 {}", pin.sha256);
            }
            if !pins.iter().any(|(scope, _)| *scope == Scope::All) {
                let others = if pins.is_empty() { "all gateways" } else { "all others" };
                let _ = writeln!(text, "{others}: built-in");
            }
            let pins: Vec<_> = pins.iter().map(|(scope, pin)| shape(scope, pin)).collect();
            Reply::good(text, &json!({"components": pins, "error": null}))
        }
        Err(error) => Reply::failed(json!({"components": []}), error),
    }
}

/// `component reset`.
pub(super) fn reset(context: &Context, gateway: Option<&str>) -> Reply {
    let scope = scope(gateway);
    match components(context).and_then(|components| Ok(components.reset(&scope)?)) {
        Ok(removed) => {
            let text = match &removed {
                Some(pin) => {
                    let source = scrub::line(&pin.source.display().to_string(), 300);
                    format!("{} {scope}: {source} no longer runs\n", yes())
                }
                None => format!("{} {scope}: nothing was chosen\n", yes()),
            };
            let removed = removed.map(|pin| shape(&scope, &pin));
            Reply::good(text, &json!({"removed": removed, "error": null}))
        }
        Err(error) => Reply::failed(json!({"removed": null}), error),
    }
}

//! Builds the component in `rule` and joins it with the built-in one: `compose GATEWAY.wasm OUTPUT.wasm`.
//! What the rule offers is the rule's; the filter, the products, the review, and whatever the rule calls, is the gateway component's.

use std::{env, fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use wac_graph::{CompositionGraph, EncodeOptions, types::Package};

const VERSION: &str = "0.2.0";

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [gateway, output] = arguments.as_slice() else { bail!("usage: compose GATEWAY.wasm OUTPUT.wasm") };
    let rule = build()?;
    fs::write(output, join(&fs::read(gateway).context(gateway.clone())?, &rule)?).context(output.clone())?;
    println!("wrote {output}");
    Ok(())
}

/// The rule's component.
fn build() -> Result<Vec<u8>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), Into::into).join("component");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--package", "rule", "--profile", "component", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(&target)
        .current_dir(&workspace)
        .status()
        .context("cargo")?;
    if !status.success() {
        bail!("the rule does not build; if the target is missing: rustup target add wasm32-wasip2");
    }
    let file = target.join("wasm32-wasip2/component/rule.wasm");
    fs::read(&file).with_context(|| file.display().to_string())
}

fn join(gateway: &[u8], rule: &[u8]) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let gateway = Package::from_bytes("acme:gateway", None, gateway.to_vec(), graph.types_mut())?;
    let rule = Package::from_bytes("acme:rule", None, rule.to_vec(), graph.types_mut())?;
    let (gateway, rule) = (graph.register_package(gateway)?, graph.register_package(rule)?);
    let (gateway, rule) = (graph.instantiate(gateway), graph.instantiate(rule));
    for interface in ["discovery", "health", "calls"] {
        let name = format!("pflow:gateway/{interface}@{VERSION}");
        let offered = graph.alias_instance_export(gateway, &name)?;
        graph.set_instantiation_argument(rule, &name, offered)?;
        let offered = graph.alias_instance_export(rule, &name)?;
        graph.export(offered, name)?;
    }
    for interface in ["filter", "products", "review"] {
        let name = format!("pflow:gateway/{interface}@{VERSION}");
        let passed_on = graph.alias_instance_export(gateway, &name)?;
        graph.export(passed_on, name)?;
    }
    Ok(graph.encode(EncodeOptions::default())?)
}

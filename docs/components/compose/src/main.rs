//! Puts a part in front of a whole component, into one file: `pflow-gateway-compose PART.wasm GATEWAY.wasm OUTPUT.wasm`.
//! Takes what the part exports from the part, the rest from the gateway component, which also gives the part what that imports.
//! Joins only: what either of them does stays as it was.

use std::{env, fs, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use wac_graph::{
    CompositionGraph, EncodeOptions, NodeId,
    types::{Package, WorldId},
};

/// What a whole component exports. All but `filter`, `products` and `review` deal in conversations, which `discovery` makes.
const INTERFACES: [&str; 6] = ["discovery", "filter", "health", "calls", "products", "review"];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [part, gateway, output] = arguments.as_slice() else {
        eprintln!("usage: pflow-gateway-compose PART.wasm GATEWAY.wasm OUTPUT.wasm");
        return ExitCode::from(2);
    };
    match compose(Path::new(part), Path::new(gateway), Path::new(output)) {
        Ok(done) => {
            println!("{output}: {done}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the file; says who does what in it.
fn compose(part: &Path, gateway: &Path, output: &Path) -> Result<String> {
    let mut graph = CompositionGraph::new();
    let (front, part_world) = instance(&mut graph, "compose:part", part)?;
    let (behind, gateway_world) = instance(&mut graph, "compose:gateway", gateway)?;
    let (exports, whole) = (Names::exported(&graph, part_world), Names::exported(&graph, gateway_world));
    let imports = Names::imported(&graph, part_world);

    let own: Vec<&str> = INTERFACES.into_iter().filter(|interface| exports.of(interface).is_some()).collect();
    ensure!(
        !own.is_empty(),
        "{} exports nothing of pflow:gateway: neither {}",
        part.display(),
        INTERFACES.join(" nor ")
    );
    ensure!(
        own.len() < INTERFACES.len() || INTERFACES.iter().any(|interface| imports.of(interface).is_some()),
        "{} is a whole component already: it exports everything, and asks for nothing of another one",
        part.display()
    );
    if own.contains(&"discovery") {
        let missing: Vec<&str> = ["health", "calls"].into_iter().filter(|interface| !own.contains(interface)).collect();
        ensure!(
            missing.is_empty(),
            "{} exports discovery and not {}: its conversations are its own, and nobody behind it knows what to do with \
             them. Export {1} too, and pass on what they are asked",
            part.display(),
            missing.join(" and ")
        );
    }
    for interface in INTERFACES {
        let Some(offered) = whole.of(interface) else {
            bail!("{} is not a whole component: it does not export pflow:gateway/{interface}", gateway.display());
        };
        if let Some(wanted) = imports.of(interface) {
            let given = graph.alias_instance_export(behind, offered)?;
            graph
                .set_instantiation_argument(front, wanted, given)
                .with_context(|| format!("{} wants another {wanted} than {} has", part.display(), gateway.display()))?;
        }
        let (who, name) = exports.of(interface).map_or((behind, offered), |name| (front, name));
        let export = graph.alias_instance_export(who, name)?;
        graph.export(export, name)?;
    }
    let bytes = graph.encode(EncodeOptions::default()).context("the two do not go together")?;
    fs::write(output, &bytes).with_context(|| format!("cannot write {}", output.display()))?;
    Ok(format!("{} by {}, the rest by {}; {} bytes", own.join(", "), part.display(), gateway.display(), bytes.len()))
}

fn instance(graph: &mut CompositionGraph, name: &str, file: &Path) -> Result<(NodeId, WorldId)> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let package = Package::from_bytes(name, None, bytes, graph.types_mut())
        .with_context(|| format!("{} is not a component", file.display()))?;
    let world = package.ty();
    let package = graph.register_package(package)?;
    Ok((graph.instantiate(package), world))
}

/// Names of imports or exports, as in the file.
struct Names(Vec<String>);

impl Names {
    fn imported(graph: &CompositionGraph, world: WorldId) -> Self {
        Self(graph.types()[world].imports.keys().cloned().collect())
    }

    fn exported(graph: &CompositionGraph, world: WorldId) -> Self {
        Self(graph.types()[world].exports.keys().cloned().collect())
    }

    /// The name of this interface of the contract, with its version.
    fn of(&self, interface: &str) -> Option<&str> {
        let prefix = format!("pflow:gateway/{interface}@");
        self.0.iter().map(String::as_str).find(|name| name.starts_with(&prefix))
    }
}

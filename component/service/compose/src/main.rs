//! Puts the parts of the service and a gateway component into one: `pflow-gateway-compose-service FRONT BRIDGE EGRESS GATEWAY OUTPUT`.
//! Takes each import from the part that is named for it below, and the rest from the engine. Fails when a part asks the engine for what
//! another part is there to give: then a credential, or a request, would go past the part that guards it.

mod imports;

use std::{env, fs, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use wac_graph::{
    CompositionGraph, EncodeOptions, NodeId,
    types::{Package, WorldId},
};

/// Who gets what from whom. An interface without its version; the versions of both sides must fit.
const WIRES: [(&str, &str, &str); 24] = [
    ("bridge", "pflow:service/way-out", "egress"),
    ("bridge", "wasi:cli/environment", "egress"),
    ("gateway", "pflow:gateway/log", "bridge"),
    ("gateway", "pflow:gateway/events", "bridge"),
    ("gateway", "pflow:gateway/types", "bridge"),
    ("gateway", "wasi:cli/environment", "bridge"),
    // Streams are those of the way out: what an answer's body may be, and how long anybody waits, is decided there.
    ("gateway", "wasi:io/error", "egress"),
    ("gateway", "wasi:io/poll", "egress"),
    ("gateway", "wasi:io/streams", "egress"),
    ("gateway", "wasi:clocks/monotonic-clock", "egress"),
    ("gateway", "wasi:cli/stdin", "egress"),
    ("gateway", "wasi:cli/stdout", "egress"),
    ("gateway", "wasi:cli/stderr", "egress"),
    ("gateway", "wasi:http/types", "egress"),
    ("gateway", "wasi:http/outgoing-handler", "egress"),
    ("front", "pflow:gateway/types", "bridge"),
    ("front", "pflow:gateway/discovery", "gateway"),
    ("front", "pflow:gateway/filter", "gateway"),
    ("front", "pflow:gateway/health", "gateway"),
    ("front", "pflow:gateway/calls", "gateway"),
    ("front", "pflow:service/reply", "bridge"),
    ("front", "pflow:service/way-out", "egress"),
    ("front", "wasi:cli/environment", "egress"),
    // The front answers; it asks nobody.
    ("front", "wasi:http/outgoing-handler", ""),
];

/// What a gateway component of another language may leave out: it is not asked for then.
const OPTIONAL: [&str; 13] = [
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:clocks/monotonic-clock",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:http/types",
    "pflow:gateway/types",
    "pflow:gateway/events",
    "pflow:gateway/health",
    "wasi:cli/environment",
    "wasi:http/outgoing-handler",
];

/// In the order in which they are made.
const PARTS: [&str; 4] = ["egress", "bridge", "gateway", "front"];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [front, bridge, egress, gateway, output] = arguments.as_slice() else {
        anstream::eprintln!(
            "usage: pflow-gateway-compose-service FRONT.wasm BRIDGE.wasm EGRESS.wasm GATEWAY.wasm OUTPUT.wasm"
        );
        return ExitCode::from(2);
    };
    match compose([egress, bridge, gateway, front].map(Path::new), Path::new(output)) {
        Ok(done) => {
            anstream::println!("{output}: {done}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            anstream::eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the file; says how large it is.
fn compose(files: [&Path; 4], output: &Path) -> Result<String> {
    let mut graph = CompositionGraph::new();
    let mut parts: Vec<Part> = Vec::new();
    for (name, file) in PARTS.into_iter().zip(files) {
        parts.push(Part::new(&mut graph, name, file)?);
    }
    for part in &parts {
        let wired: Vec<&str> =
            WIRES.iter().filter(|(to, ..)| *to == part.name).map(|(_, interface, _)| *interface).collect();
        // The way out is what the engine's own is for.
        let own: &[&str] = if part.name == "egress" { &["wasi:http/outgoing-handler"] } else { &wired };
        if let Some(wrong) = imports::wrong(&format!("{} ({})", part.title(), part.file), &part.imports, own) {
            bail!("{wrong}");
        }
    }
    let part = |name: &str| parts.iter().find(|part| part.name == name);
    for (to, interface, from) in WIRES {
        let Some(to) = part(to) else { continue };
        let Some(wanted) = to.import(interface) else {
            ensure!(OPTIONAL.contains(&interface), "{} does not import {interface}", to.name);
            continue;
        };
        let Some(from) = part(from) else {
            bail!("{} imports {wanted}, which is not for it", to.name);
        };
        let offered = from.export(interface);
        let offered = offered.with_context(|| format!("{} does not export {interface}", from.name))?;
        let given = graph.alias_instance_export(from.instance, offered)?;
        graph
            .set_instantiation_argument(to.instance, wanted, given)
            .with_context(|| format!("{} wants another {wanted} than {} has", to.name, from.name))?;
    }
    let front = part("front").context("there is no front")?;
    let handler = front.export("wasi:http/incoming-handler").context("the front serves no requests")?;
    let export = graph.alias_instance_export(front.instance, handler)?;
    graph.export(export, handler)?;
    let bytes = graph.encode(EncodeOptions::default()).context("the parts do not go together")?;
    fs::write(output, &bytes).with_context(|| format!("cannot write {}", output.display()))?;
    Ok(format!("{} bytes", bytes.len()))
}

/// A component in the composition.
struct Part {
    name: &'static str,
    file: String,
    instance: NodeId,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Part {
    fn new(graph: &mut CompositionGraph, name: &'static str, file: &Path) -> Result<Self> {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let package = Package::from_bytes(&format!("service:{name}"), None, bytes, graph.types_mut())
            .with_context(|| format!("{} is not a component", file.display()))?;
        let world: WorldId = package.ty();
        let package = graph.register_package(package)?;
        let instance = graph.instantiate(package);
        let names = |of: Vec<&String>| of.into_iter().cloned().collect();
        let world = &graph.types()[world];
        let (imports, exports) = (names(world.imports.keys().collect()), names(world.exports.keys().collect()));
        Ok(Self { name, file: file.display().to_string(), instance, imports, exports })
    }

    fn title(&self) -> &'static str {
        if self.name == "gateway" { "the gateway component" } else { self.name }
    }

    fn import(&self, interface: &str) -> Option<&str> {
        of(&self.imports, interface)
    }

    fn export(&self, interface: &str) -> Option<&str> {
        of(&self.exports, interface)
    }
}

/// The name of this interface, with its version.
fn of<'n>(names: &'n [String], interface: &str) -> Option<&'n str> {
    names.iter().map(String::as_str).find(|name| imports::base(name) == interface)
}

//! Spin: a manifest for `spin up`, and a `SpinApp` for `SpinKube`.
//! Takes a deployment; gives both. Never a secret: `spin up` takes those as `--env`, and `SpinKube` has no way to give them yet, which is said.

use super::{
    MARK, Piece, Pieces, nginx,
    text::{toml, yaml},
    wanted::Wanted,
};

pub(super) fn pieces(wanted: &Wanted) -> Pieces {
    let secrets: Vec<String> = wanted.secrets.iter().map(|name| format!("--env {name}=\"${name}\"")).collect();
    let next = vec![
        format!("put the service at {}", wanted.service),
        format!("spin up --from spin.toml {}", secrets.join(" ")),
        nginx::add(wanted),
    ];
    let warnings = vec![format!(
        "Spin gives a component no secret as a variable of its environment: with spin up they stand on the command line, where others on the machine can read them. SpinKube cannot give {} to this service at all; use wasmCloud there",
        wanted.secrets.join(", ")
    )];
    let files = vec![
        Piece { name: "spin.toml".to_owned(), text: manifest(wanted) },
        Piece { name: "spinapp.yaml".to_owned(), text: app(wanted) },
    ];
    Pieces { files, next, warnings }
}

fn manifest(wanted: &Wanted) -> String {
    let environment: Vec<String> =
        wanted.settings().iter().map(|(name, value)| format!("{name} = {}", toml(value))).collect();
    let hosts: Vec<String> = wanted.origins.iter().map(|origin| toml(origin)).collect();
    format!(
        "# {MARK}.\nspin_manifest_version = 2\n\n[application]\nname = \"pflow-gateway\"\nversion = {version}\n\
         description = \"MCP gateways behind one address\"\n\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"service\"\n\n\
         [component.service]\nsource = {source}\nallowed_outbound_hosts = [{hosts}]\n\n\
         [component.service.environment]\n{environment}\n",
        version = toml(env!("CARGO_PKG_VERSION")),
        source = toml(&wanted.service),
        hosts = hosts.join(", "),
        environment = environment.join("\n"),
    )
}

fn app(wanted: &Wanted) -> String {
    format!(
        "# {MARK}. Not complete: SpinKube gives no secret to a component's environment.\n\
         apiVersion: core.spinkube.dev/v1alpha1\nkind: SpinApp\nmetadata:\n  name: pflow-gateway\nspec:\n\
         \x20 image: {}\n  executor: containerd-shim-spin\n  replicas: {}\n",
        yaml(&wanted.image),
        wanted.replicas
    )
}

//! wasmCloud 2 on Kubernetes: a `WorkloadDeployment`, with secrets from a Secret.
//! Takes a deployment; gives YAML. Never a secret: how the Secret is made is said, not done.

use super::{MARK, Piece, Pieces, nginx, text::yaml, wanted::Wanted};

/// The Secret.
const SECRET: &str = "pflow-gateway";

pub(super) fn pieces(wanted: &Wanted) -> Pieces {
    let literals: Vec<String> = wanted.secrets.iter().map(|name| format!("--from-file={name}=./{name}")).collect();
    let next = vec![
        format!("push the service to a registry: wash oci push {} service.wasm", wanted.image),
        format!(
            "write each of {} into a file of that name, and: kubectl create secret generic {SECRET} {}",
            wanted.secrets.join(", "),
            literals.join(" ")
        ),
        "kubectl apply -f workload.yaml".to_owned(),
        nginx::add(wanted),
    ];
    let mut warnings = Vec::new();
    let local = |origin: &&String| ["://127.", "://localhost", "://[::1]"].iter().any(|it| origin.contains(it));
    if let Some(origin) = wanted.origins.iter().find(local) {
        warnings.push(format!(
            "{origin} is the pod itself there: change the entry's URL to the gateway's name in the cluster, and deploy again"
        ));
    }
    Pieces { files: vec![Piece { name: "workload.yaml".to_owned(), text: workload(wanted) }], next, warnings }
}

fn workload(wanted: &Wanted) -> String {
    let settings: Vec<String> =
        wanted.settings().iter().map(|(name, value)| format!("              {name}: {}\n", yaml(value))).collect();
    let hosts: Vec<String> = wanted.origins.iter().map(|origin| format!("            - {}\n", yaml(origin))).collect();
    format!(
        "# {MARK}.\napiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: WorkloadDeployment\nmetadata:\n  name: pflow-gateway\nspec:\n\
         \x20 replicas: {replicas}\n  template:\n    spec:\n\
         \x20     hostInterfaces:\n      - namespace: wasi\n        package: http\n        interfaces:\n        - incoming-handler\n\
         \x20       config:\n          host: {host}\n\
         \x20     components:\n      - name: service\n        image: {image}\n\
         \x20       # Warm instances keep the list of tools for a minute.\n        poolSize: 8\n        maxInvocations: 1000\n\
         \x20       localResources:\n          allowedHosts:\n{hosts}\
         \x20         environment:\n            config:\n{settings}            secretFrom:\n            - name: {SECRET}\n",
        settings = settings.concat(),
        hosts = hosts.concat(),
        replicas = wanted.replicas,
        host = yaml(&wanted.host),
        image = yaml(&wanted.image),
    )
}

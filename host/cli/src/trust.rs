//! `trust`: which server files besides pflow's own may use this user's credentials.
//! Takes a file; pins it as it is. Says what the file wants before anything of it is done.

use std::{fmt::Write as _, path::Path};

use serde_json::{Value, json};

use super::{
    args,
    screen::{Reply, yes},
};
use pflow_gateway::config::{ConfigFile, Trust, wants};
use pflow_gateway_base::{Error, Result, scrub};

/// `trust`.
pub(super) fn trust(flags: &args::Trust) -> Reply {
    let trust = Trust::of_this_user();
    let Some(file) = &flags.file else { return list(&trust) };
    let shape = json!({"file": file, "sha256": null, "trusted": false, "wants": []});
    let done = if flags.revoke { revoke(&trust, file) } else { pin(&trust, file) };
    done.unwrap_or_else(|error| Reply::failed(shape, error))
}

fn list(trust: &Trust) -> Reply {
    let files = trust.files();
    let mut text = String::new();
    for (file, digest) in &files {
        let _ = writeln!(text, "• {}  {digest}", scrub::line(&file.display().to_string(), 300));
    }
    if files.is_empty() {
        text.push_str("No file besides pflow's own is trusted\n");
    }
    let files: Vec<Value> = files.iter().map(|(file, sha256)| json!({"file": file, "sha256": sha256})).collect();
    Reply::good(text, &json!({"files": files, "error": null}))
}

fn pin(trust: &Trust, file: &Path) -> Result<Reply> {
    let config = ConfigFile::load(file)?;
    let Some(bytes) = config.bytes() else {
        return Err(Error::config(format!("there is no {}", file.display())).with_hint("name a server file"));
    };
    let digest = trust.pin(file, bytes)?;
    let shown = scrub::line(&file.display().to_string(), 300);
    let mut text = format!("{} {shown} is trusted as it is now (sha256 {digest})\n", yes());
    let mut wanted = Vec::new();
    for (name, gateway) in config.gateways() {
        let wants = gateway.as_ref().map(wants).unwrap_or_default();
        for want in &wants {
            let _ = writeln!(text, "  {} may {want}", scrub::line(&name, 100));
        }
        wanted.push(json!({"gateway": name, "wants": wants}));
    }
    Ok(Reply::good(text, &json!({"file": file, "sha256": digest, "trusted": true, "wants": wanted, "error": null})))
}

fn revoke(trust: &Trust, file: &Path) -> Result<Reply> {
    let shown = scrub::line(&file.display().to_string(), 300);
    let text = if trust.revoke(file)? {
        format!("{} {shown} is trusted no longer\n", yes())
    } else {
        format!("{} {shown} was not trusted\n", yes())
    };
    Ok(Reply::good(text, &json!({"file": file, "sha256": null, "trusted": false, "wants": [], "error": null})))
}

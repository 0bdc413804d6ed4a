//! Gives the crate its built-in component: the path in `BUILTIN_COMPONENT`, for `include_bytes!`.
//! Takes a ready one from `PFLOW_GATEWAY_COMPONENT`, or builds it; in the archive of the sources it lies ready; under clippy a stub. Never makes machine code: that would
//! compile wasmtime a second time.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest as _, Sha256};

const READY: &str = "PFLOW_GATEWAY_COMPONENT";

fn main() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed={READY}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let component = if let Some(ready) = env::var_os(READY) {
        let ready = PathBuf::from(ready);
        println!("cargo::rerun-if-changed={}", ready.display());
        if !ready.is_file() {
            return Err(format!("{READY} names {}, which is no file", ready.display()));
        }
        ready
    } else if env::var_os("CLIPPY_ARGS").is_some() {
        let stub = out.join("stub.wasm");
        fs::write(&stub, b"\0asm\x0d\0\x01\0").map_err(|e| format!("cannot write {}: {e}", stub.display()))?;
        stub
    } else {
        packed_or_built(&out)?
    };
    let bytes = fs::read(&component).map_err(|e| format!("cannot read {}: {e}", component.display()))?;
    println!("cargo::rustc-env=BUILTIN_COMPONENT={}", component.display());
    println!("cargo::rustc-env=BUILTIN_SHA256={}", sha256(&bytes));
    println!("cargo::rustc-env=WASMTIME_TARGET={}", env::var("TARGET").unwrap_or_default());
    Ok(())
}

/// In lower-case hex.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The one that lies in the archive of the sources, which has no sources of it; else a new one.
fn packed_or_built(out: &Path) -> Result<PathBuf, String> {
    let root = root()?;
    let packed = root.join("gateway.wasm");
    if packed.is_file() && !root.join("component/Cargo.toml").exists() {
        println!("cargo::rerun-if-changed={}", packed.display());
        return Ok(packed);
    }
    build(&root, out)
}

/// The folder of the workspace.
fn root() -> Result<PathBuf, String> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set")?);
    Ok(manifest.ancestors().nth(2).ok_or("the crate is not two folders below the root")?.to_owned())
}

/// Builds the component with its own profile, in a target folder of its own: this build holds the lock of the other.
fn build(root: &Path, out: &Path) -> Result<PathBuf, String> {
    for watched in [
        "component/src",
        "component/Cargo.toml",
        "component/advice",
        "component/unseen",
        "wit",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    // target/<profile>/build/<package>/out
    let target = out.ancestors().nth(4).ok_or("OUT_DIR is not inside a target folder")?.join("component");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--locked", "--package", "pflow-gateway-component", "--lib"])
        .args(["--profile", "component", "--target", "wasm32-wasip2", "--target-dir"])
        .arg(&target)
        .current_dir(root)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()
        .map_err(|e| format!("cannot run cargo: {e}"))?;
    if !status.success() {
        return Err("building the component failed; if the target is missing: rustup target add wasm32-wasip2".into());
    }
    Ok(target.join("wasm32-wasip2/component/pflow_gateway_component.wasm"))
}

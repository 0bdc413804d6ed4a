//! `cargo xtask check-targets`: the host compiles for the systems that nobody here has.
//! Takes the sources; fails with the first lint or error of a target. Links and runs nothing: the C code in it is compiled, by zig.

use clap::Args;

use crate::{
    build,
    cross::{ALL, Target, Zig},
    shell::{Result, run, say, target},
};

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Every target of a release, and not only one of each system
    #[arg(long)]
    all: bool,
}

/// One of each system and processor that is not the one of most who work here.
const TELLING: [&str; 3] = ["x86_64-pc-windows-gnu", "aarch64-apple-darwin", "aarch64-unknown-linux-musl"];

pub(crate) fn targets(options: &Options) -> Result {
    let zig = Zig::found()?;
    let chosen = ALL.into_iter().filter(|one| one.is_checked() && (options.all || TELLING.contains(&one.triple)));
    chosen.into_iter().try_for_each(|target| check(&zig, target))
}

/// Without tests, which have more dependencies; unoptimised, as nothing of it is run.
fn check(zig: &Zig, one: Target) -> Result {
    say(format!("The host, for {}", one.triple));
    one.install()?;
    run(zig
        .cargo("clippy")
        .args(["--locked", "--quiet", "--lib", "--bins", "--target", one.triple])
        .args(["--config", "profile.dev.package.'*'.opt-level=0", "--config", "profile.dev.debug=false"])
        .args(build::packaged())
        .arg("--target-dir")
        .arg(target().join("targets"))
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .args(["--", "-D", "warnings"]))
}

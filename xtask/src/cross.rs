//! The targets that a release is for, and what compiles for them from here.
//! Takes a triple; gives cargo with zig's compiler and linker for it, from `PyPI`, below the target folder. Never installs anything outside of it
//! but Rust's targets.

use std::{path::PathBuf, process::Command};

use crate::{
    python::{Venv, Version},
    shell::{Failure, Result, command, run, target},
};

/// Something that a release is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// As rustc calls it.
    pub(crate) triple: &'static str,
    /// The oldest C library that what is built runs on, where that can be chosen: manylinux2014's.
    glibc: Option<&'static str>,
    linker: Linker,
}

/// What links for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Linker {
    /// Zig, from any machine.
    Zig,
    /// The system's own, there alone: frameworks and libraries that nobody else may hand on.
    Own,
}

const GLIBC: Option<&str> = Some("2.17");

/// All of them.
pub(crate) const ALL: [Target; 8] = [
    Target { triple: "x86_64-unknown-linux-gnu", glibc: GLIBC, linker: Linker::Zig },
    Target { triple: "x86_64-unknown-linux-musl", glibc: None, linker: Linker::Zig },
    Target { triple: "aarch64-unknown-linux-gnu", glibc: GLIBC, linker: Linker::Zig },
    Target { triple: "aarch64-unknown-linux-musl", glibc: None, linker: Linker::Zig },
    Target { triple: "aarch64-apple-darwin", glibc: None, linker: Linker::Own },
    Target { triple: "x86_64-apple-darwin", glibc: None, linker: Linker::Own },
    Target { triple: "x86_64-pc-windows-gnu", glibc: None, linker: Linker::Zig },
    Target { triple: "x86_64-pc-windows-msvc", glibc: None, linker: Linker::Own },
];

impl Target {
    /// The one with this triple.
    pub(crate) fn named(triple: &str) -> Result<Self> {
        ALL.into_iter().find(|target| target.triple == triple).ok_or_else(|| {
            let all: Vec<&str> = ALL.iter().map(|target| target.triple).collect();
            Failure(format!("{triple} is no target of a release; these are: {}", all.join(", ")))
        })
    }

    pub(crate) fn is_windows(self) -> bool {
        self.triple.contains("windows")
    }

    pub(crate) fn is_musl(self) -> bool {
        self.triple.ends_with("musl")
    }

    /// What the program's file is called.
    pub(crate) fn program(self) -> &'static str {
        if self.is_windows() { "pflow-gateway.exe" } else { "pflow-gateway" }
    }

    /// As zigbuild is told: with the oldest C library.
    pub(crate) fn for_zig(self) -> String {
        self.glibc.map_or_else(|| self.triple.to_owned(), |glibc| format!("{}.{glibc}", self.triple))
    }

    /// Whether its C code compiles from anywhere, though perhaps it links nowhere else: Microsoft's headers are nobody's to hand on.
    pub(crate) fn is_checked(self) -> bool {
        !self.triple.ends_with("msvc")
    }

    pub(crate) fn is_linked_by_zig(self) -> bool {
        self.linker == Linker::Zig
    }

    /// Rust's libraries for it.
    pub(crate) fn install(self) -> Result {
        run(command("rustup").args(["target", "add", self.triple]))
    }
}

/// Zig, and what makes cargo use it.
pub(crate) struct Zig {
    tools: Venv,
    zig: PathBuf,
}

impl Zig {
    pub(crate) fn found() -> Result<Self> {
        let tools = Venv::with("cross", &["zig", "cross"], Version(10))?;
        let zig = tools.file_in_packages(if cfg!(windows) { "ziglang/zig.exe" } else { "ziglang/zig" })?;
        Ok(Self { tools, zig })
    }

    /// `cargo zigbuild` with this subcommand.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut cargo = command(self.tools.bin("cargo-zigbuild"));
        cargo.arg(subcommand);
        self.told(&mut cargo);
        cargo
    }

    /// Tells a command where zig is, and where it may keep what it makes.
    pub(crate) fn told(&self, command: &mut Command) {
        let kept = target().join("tools");
        command
            .env("CARGO_ZIGBUILD_ZIG_PATH", &self.zig)
            .env("CARGO_ZIGBUILD_CACHE_DIR", kept.join("zigbuild"))
            .env("ZIG_GLOBAL_CACHE_DIR", kept.join("zig"));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use std::fs;

    use super::*;
    use crate::shell::root;

    #[test]
    fn zig_is_told_the_oldest_c_library_and_rustc_is_not() {
        let target = Target::named("aarch64-unknown-linux-gnu").unwrap();
        assert_eq!(
            (target.triple, target.for_zig().as_str()),
            ("aarch64-unknown-linux-gnu", "aarch64-unknown-linux-gnu.2.17")
        );
        assert_eq!(Target::named("x86_64-unknown-linux-musl").unwrap().for_zig(), "x86_64-unknown-linux-musl");
        assert!(Target::named("sparc64-unknown-netbsd").unwrap_err().to_string().contains("x86_64-apple-darwin"));
    }

    #[test]
    fn the_page_of_platforms_and_the_release_name_every_target() {
        let page = fs::read_to_string(root().join("docs/reference/platforms.md")).unwrap();
        let release = fs::read_to_string(root().join(".github/workflows/release.yml")).unwrap();
        for target in ALL {
            assert!(page.contains(&format!("`{}`", target.triple)), "{target:?} is not on the page");
        }
        for target in release.lines().filter_map(|line| line.split("target: ").nth(1)?.split([',', ' ']).next()) {
            assert!(
                target.starts_with('$') || Target::named(target).is_ok(),
                "the release is for {target}, which is none"
            );
        }
        let left_out = ALL.into_iter().filter(|target| !release.contains(&format!("target: {},", target.triple)));
        // What Python has there is built with Microsoft's compiler, and so is the release.
        assert_eq!(left_out.map(|target| target.triple).collect::<Vec<_>>(), ["x86_64-pc-windows-gnu"]);
    }
}

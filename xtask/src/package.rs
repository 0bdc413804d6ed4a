//! `cargo xtask package`: what a release is, in `target/packages`.
//! Takes targets; gives for each a wheel and an archive of the programs with what belongs to them, the source archive, and the checksums of all. Says
//! what is not in them, and never packs what was not built for the target.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;

use crate::{
    archive::{checksums, copy, tar_gz, zip},
    build::{self, Build, Code},
    cross::{Target, Zig},
    neutral,
    python::{Venv, Version},
    sbom::Crates,
    service,
    shell::{Doing as _, Failure, Result, cargo, command, root, run, say, succeeds, target},
    sources,
};

#[derive(Args)]
pub(crate) struct Options {
    /// For this target; may be given more than once
    #[arg(long = "target", value_name = "TRIPLE")]
    targets: Vec<String>,
    /// The source archive, which `pip install` builds where Rust is
    #[arg(long)]
    source: bool,
    /// The service for a team, which runs on any system
    #[arg(long)]
    service: bool,
    /// In the profile that one works with: to try the packing itself
    #[arg(long)]
    quick: bool,
}

/// With what the package is called.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What reads every archive.
const READ_FIRST: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"];

pub(crate) fn package(options: &Options) -> Result {
    let targets: Vec<Target> = options.targets.iter().map(|name| Target::named(name)).collect::<Result<_>>()?;
    if targets.is_empty() && !options.source && !options.service {
        return Err(Failure("name what to pack: --target TRIPLE, --source, --service".into()));
    }
    if options.quick {
        build::quick();
    }
    build::rust_target()?;
    let component = build::component()?;
    let out = target().join("packages");
    fs::create_dir_all(&out).doing(format!("cannot make {}", out.display()))?;
    if options.source {
        say("The sources");
        sources::pack(&component, &out)?;
    }
    if options.service {
        let name = format!("pflow-gateway-service-{VERSION}");
        copy(&service::composed(&component)?, &out.join(format!("{name}.wasm")))?;
        Crates::of_the_service()?.write(&out.join(format!("{name}.cdx.json")))?;
    }
    let zig = if targets.iter().any(|one| one.is_linked_by_zig()) { Some(Zig::found()?) } else { None };
    for one in targets {
        say(format!("Packing for {}", one.triple));
        one.install()?;
        let build = if options.quick { Build::Quick } else { Build::Shipped };
        let zig = zig.as_ref().filter(|_| one.is_linked_by_zig());
        Packing { one, build, zig, component: &component }.pack(&out)?;
    }
    checksums(&out)
}

/// One target.
struct Packing<'a> {
    one: Target,
    build: Build,
    zig: Option<&'a Zig>,
    component: &'a Path,
}

/// A program that runs here, perhaps by another.
struct Program {
    by: Option<&'static str>,
    file: PathBuf,
}

impl Program {
    fn command(&self) -> Command {
        match self.by {
            None => command(&self.file),
            Some(by) => {
                let mut command = command(by);
                command.arg(&self.file);
                command
            }
        }
    }
}

impl Packing<'_> {
    fn pack(&self, out: &Path) -> Result {
        let name = format!("pflow-gateway-{VERSION}-{}", self.one.triple);
        let folder = target().join("packing").join(&name);
        if folder.exists() {
            fs::remove_dir_all(&folder).doing(format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).doing(format!("cannot make {}", folder.display()))?;

        // Twice: the second knows the digest of the machine code that the first made.
        let first = self.program(None)?;
        let code = match self.runs(&first) {
            Some(program) => Some(Code::made_by(&mut program.command(), folder.join("gateway.cwasm"))?),
            None => None,
        };
        let built = self.program(code.as_ref())?;
        let program = folder.join(self.one.program());
        copy(&built, &program)?;
        let crates = Crates::read_for(self.one.triple)?;
        if self.is_like_this_machine() {
            crates.put_into(&program)?;
        }
        let bom = folder.join("sbom.cdx.json");
        crates.write(&bom)?;
        match self.runs(&program) {
            Some(program) => build::words(&mut || program.command(), &folder)?,
            None => say(format!(
                "{} does not run here: the archive is without man, completions and gateway.cwasm; the component is compiled at its first use",
                self.one.triple
            )),
        }
        copy(&self.composer()?, &folder.join(format!("pflow-gateway-compose{}", self.ending())))?;
        for file in READ_FIRST {
            copy(&root().join(file), &folder.join(file))?;
        }
        let wheel = self.wheel(code.as_ref())?;
        if self.build.is_neutral() {
            neutral::check(&[&program, &bom, &wheel])?;
        }
        copy(&wheel, &out.join(wheel.file_name().unwrap_or_default()))?;
        if self.one.is_windows() {
            zip(&folder, &out.join(format!("{name}.zip")))
        } else {
            tar_gz(&folder, &out.join(format!("{name}.tar.gz")))
        }
    }

    fn ending(&self) -> &'static str {
        if self.one.is_windows() { ".exe" } else { "" }
    }

    fn is_like_this_machine(&self) -> bool {
        self.one.triple.contains(std::env::consts::OS) && self.one.triple.starts_with(std::env::consts::ARCH)
    }

    /// The program, if something here runs it.
    fn runs(&self, file: &Path) -> Option<Program> {
        let emulator = self.one.triple.starts_with("aarch64-unknown-linux").then_some("qemu-aarch64-static");
        let ways = [None, emulator];
        ways.into_iter()
            .map(|by| Program { by, file: file.to_owned() })
            .find(|program| succeeds(program.command().arg("--version")))
    }

    /// Cargo, linking a program for the target.
    fn cargo(&self) -> Command {
        let (mut command, triple) = match self.zig {
            Some(zig) => (zig.cargo(if self.needs_pie() { "rustc" } else { "zigbuild" }), self.one.for_zig()),
            None => (cargo(), self.one.triple.to_owned()),
        };
        if self.zig.is_none() {
            command.arg("build");
        }
        command.args(["--locked", "--target", &triple]);
        command
    }

    /// Whether zig has to be told: it does not know `-static-pie`, which rustc asks for, and without a word gives a program that is always loaded at one
    /// address.
    fn needs_pie(&self) -> bool {
        self.zig.is_some() && self.one.is_musl()
    }

    /// Runs what [`Self::cargo`] began, and gives the program.
    fn link(&self, cargo: &mut Command, program: PathBuf) -> Result<PathBuf> {
        if self.needs_pie() {
            cargo.args(["--", "-Clink-arg=-pie"]);
        }
        run(cargo)?;
        let bytes = fs::read(&program).doing(format!("cannot read {}", program.display()))?;
        if is_loaded_at_one_address(&bytes) {
            return Err(Failure(format!("{} is always loaded at one address", program.display())));
        }
        Ok(program)
    }

    fn program(&self, code: Option<&Code>) -> Result<PathBuf> {
        let profile = self.build.profile();
        let mut cargo = self.cargo();
        cargo.args(["--profile", profile, "--package", "pflow-gateway-cli", "--bin", "pflow-gateway"]);
        // Here, and not by a program of another machine's binutils.
        cargo.args(["--config", &format!("profile.{profile}.strip='symbols'")]);
        self.build.finish(&mut cargo, self.component);
        if let Some(code) = code {
            code.told(&mut cargo);
        }
        self.link(&mut cargo, target().join(self.one.triple).join(profile).join(self.one.program()))
    }

    /// The program that composes, of a workspace of its own.
    fn composer(&self) -> Result<PathBuf> {
        let place = target().join("guests");
        let mut cargo = self.cargo();
        cargo.args(["--release", "--package", "pflow-gateway-compose", "--bin", "pflow-gateway-compose"]);
        cargo
            .args(["--config", "profile.release.strip='symbols'"])
            .current_dir(root().join("docs/components/compose"))
            .env("CARGO_TARGET_DIR", &place)
            .env(neutral::FLAGS, neutral::flags(&place));
        let file = format!("pflow-gateway-compose{}", self.ending());
        self.link(&mut cargo, place.join(self.one.triple).join("release").join(file))
    }

    fn wheel(&self, code: Option<&Code>) -> Result<PathBuf> {
        let tools = Venv::with("build", &["build"], Version(10))?;
        let inside = root().join("host/python/python/pflow_gateway/gateway.cwasm");
        if let Some(code) = code {
            copy(&code.file, &inside)?;
        } else if inside.exists() {
            fs::remove_file(&inside).doing("cannot remove the machine code of another target")?;
        }
        let out = target().join("packing").join("wheel");
        if out.exists() {
            fs::remove_dir_all(&out).doing(format!("cannot remove {}", out.display()))?;
        }
        let mut maturin = command(tools.bin("maturin"));
        maturin
            .args(["build", "--profile", self.build.profile(), "--locked", "--quiet", "--target", self.one.triple])
            .args(["--manifest-path", "host/python/Cargo.toml", "--out"])
            .arg(&out)
            .args(self.platform());
        self.build.finish(&mut maturin, self.component);
        if self.one.is_musl() {
            // A library that Python loads shares its C library.
            let mut flags = neutral::flags(&target());
            flags.push("\u{1f}-Ctarget-feature=-crt-static");
            maturin.env(neutral::FLAGS, flags);
        }
        if let Some(code) = code {
            code.told(&mut maturin);
        }
        if let Some(zig) = self.zig {
            maturin.arg("--zig");
            zig.told(&mut maturin);
        }
        run(&mut maturin)?;
        let made =
            fs::read_dir(&out).doing(format!("cannot read {}", out.display()))?.flatten().map(|entry| entry.path());
        let mut wheels = made.filter(|path| path.extension().is_some_and(|end| end == "whl"));
        wheels.next().ok_or_else(|| Failure("maturin made no wheel".into()))
    }

    /// What pip compares a machine with.
    fn platform(&self) -> &'static [&'static str] {
        match self.one.triple {
            triple if triple.ends_with("linux-gnu") => &["--compatibility", "manylinux2014"],
            triple if triple.ends_with("linux-musl") => &["--compatibility", "musllinux_1_2"],
            _ => &[],
        }
    }
}

/// Whether it is an ELF program of the kind (`ET_EXEC`) that the system cannot load elsewhere (`ET_DYN`) each time.
fn is_loaded_at_one_address(program: &[u8]) -> bool {
    const TYPE: std::ops::Range<usize> = 16..18;
    const EXEC: [u8; 2] = [2, 0];
    program.starts_with(b"\x7fELF") && program.get(TYPE) == Some(&EXEC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_always_at_one_address_is_told_from_others() {
        let elf = |kind: u8| [b"\x7fELF".as_slice(), &[2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, kind, 0, 62, 0]].concat();
        assert!(is_loaded_at_one_address(&elf(2)));
        assert!(!is_loaded_at_one_address(&elf(3)));
        assert!(!is_loaded_at_one_address(b"MZ\x90\0"));
        assert!(!is_loaded_at_one_address(b"\x7fELF"));
    }
}

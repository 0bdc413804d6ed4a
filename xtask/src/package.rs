//! `cargo xtask package`: what a release is, in `target/packages`.
//! Takes targets; gives for each a wheel and an archive of the programs with what belongs to them, the source archive, and the checksums of all. Says
//! what is not in them, and never packs what was not built for the target.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

use crate::{
    build::{self, Build, Code},
    cross::{Target, Zig},
    neutral,
    python::{Venv, Version},
    sbom::Crates,
    shell::{Doing as _, Failure, Result, cargo, command, root, run, say, succeeds, target},
};

#[derive(Args)]
pub(crate) struct Options {
    /// For this target; may be given more than once
    #[arg(long = "target", value_name = "TRIPLE")]
    targets: Vec<String>,
    /// The source archive, which `pip install` builds where Rust is
    #[arg(long)]
    source: bool,
    /// In the profile that one works with: to try the packing itself
    #[arg(long)]
    quick: bool,
}

/// With what the package is called.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What reads every archive.
const READ_FIRST: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"];
/// What the sources take from outside of their crates: the contract, and the examples from which `component new` writes.
const BESIDE: [&str; 6] = [
    "wit",
    "docs/components/rust",
    "docs/components/python",
    "docs/components/javascript",
    "LICENSE-APACHE",
    "LICENSE-MIT",
];

pub(crate) fn package(options: &Options) -> Result {
    let targets: Vec<Target> = options.targets.iter().map(|name| Target::named(name)).collect::<Result<_>>()?;
    if targets.is_empty() && !options.source {
        return Err(Failure("name what to pack: --target TRIPLE, --source".into()));
    }
    if options.quick {
        build::quick();
    }
    build::rust_target()?;
    let component = build::component()?;
    let out = target().join("packages");
    fs::create_dir_all(&out).doing(format!("cannot make {}", out.display()))?;
    if options.source {
        source(&component, &out)?;
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
        fs::write(&bom, format!("{:#}\n", crates.cyclonedx())).doing(format!("cannot write {}", bom.display()))?;
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

    /// Cargo, linking for the target.
    fn cargo(&self) -> Command {
        let (mut command, triple) = match self.zig {
            Some(zig) => (zig.cargo("zigbuild"), self.one.for_zig()),
            None => (cargo(), self.one.triple.to_owned()),
        };
        if self.zig.is_none() {
            command.arg("build");
        }
        command.args(["--locked", "--target", &triple]);
        command
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
        run(&mut cargo)?;
        Ok(target().join(self.one.triple).join(profile).join(self.one.program()))
    }

    /// The program that composes, of a workspace of its own.
    fn composer(&self) -> Result<PathBuf> {
        let place = target().join("guests");
        let mut cargo = self.cargo();
        cargo.args(["--release", "--package", "pflow-gateway-compose", "--config", "profile.release.strip='symbols'"]);
        run(cargo
            .current_dir(root().join("docs/components/compose"))
            .env("CARGO_TARGET_DIR", &place)
            .env(neutral::FLAGS, neutral::flags(&place)))?;
        let file = format!("pflow-gateway-compose{}", self.ending());
        Ok(place.join(self.one.triple).join("release").join(file))
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

/// What maturin takes of the workspace, with what the sources want besides, and with the component ready: whoever builds it needs no other target of Rust.
fn source(component: &Path, out: &Path) -> Result {
    say("The sources");
    let tools = Venv::with("build", &["build"], Version(10))?;
    let place = tempfile::tempdir().doing("cannot make a folder")?;
    run(command(tools.bin("maturin"))
        .args(["sdist", "--manifest-path", "host/python/Cargo.toml", "--out"])
        .arg(place.path()))?;
    let name = format!("pflow_gateway-{VERSION}");
    let packed = place.path().join(format!("{name}.tar.gz"));
    let file = File::open(&packed).doing(format!("cannot read {}", packed.display()))?;
    tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(place.path()).doing("cannot unpack the sources")?;
    let folder = place.path().join(&name);
    for path in BESIDE {
        copy_all(&root().join(path), &folder.join(path))?;
    }
    // maturin packs the start-up files beside the crate, and looks for them beside `pyproject.toml`, which it moves to the top.
    copy_all(&root().join("host/python/pflow_gateway.data"), &folder.join("pflow_gateway.data"))?;
    copy(component, &folder.join("gateway.wasm"))?;
    tar_gz(&folder, &out.join(format!("{name}.tar.gz")))
}

/// A folder, under its own name.
fn tar_gz(folder: &Path, file: &Path) -> Result {
    let name = folder.file_name().unwrap_or_default();
    let pack = || -> io::Result<()> {
        let mut tar = tar::Builder::new(GzEncoder::new(File::create(file)?, Compression::best()));
        // Whoever built it, and when, is in none of it.
        tar.mode(tar::HeaderMode::Deterministic);
        tar.append_dir_all(name, folder)?;
        tar.into_inner()?.finish()?.sync_all()
    };
    pack().doing(format!("cannot write {}", file.display()))
}

/// The same for systems that have no tar of their own.
fn zip(folder: &Path, file: &Path) -> Result {
    let tools = Venv::with("build", &["build"], Version(10))?;
    run(tools.python().args(["-m", "zipfile", "--create"]).args([file, folder]))
}

/// Of every file, as `sha256sum --check` reads them.
fn checksums(out: &Path) -> Result {
    const NAME: &str = "SHA256SUMS";
    let entries = fs::read_dir(out).doing(format!("cannot read {}", out.display()))?.flatten();
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_file() && !path.ends_with(NAME)).collect();
    files.sort();
    let mut lines = String::new();
    for path in &files {
        let bytes = fs::read(path).doing(format!("cannot read {}", path.display()))?;
        for byte in Sha256::digest(&bytes) {
            let _ = write!(lines, "{byte:02x}");
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(lines, "  {name}");
        say(format!("target/packages/{name}: {}.{:02} MB", bytes.len() / 1_000_000, bytes.len() / 10_000 % 100));
    }
    fs::write(out.join(NAME), lines).doing(format!("cannot write {NAME}"))
}

fn copy(from: &Path, to: &Path) -> Result {
    fs::copy(from, to).map(drop).doing(format!("cannot copy {} to {}", from.display(), to.display()))
}

/// A file, or a folder with all that git would keep of it.
fn copy_all(from: &Path, to: &Path) -> Result {
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap_or(to)).doing(format!("cannot make the folder of {}", to.display()))?;
        return copy(from, to);
    }
    for entry in fs::read_dir(from).doing(format!("cannot read {}", from.display()))?.flatten() {
        let name = entry.file_name();
        if name != "target" && name != "node_modules" && name != "__pycache__" {
            copy_all(&entry.path(), &to.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

    use super::*;

    #[test]
    fn an_archive_has_its_folder_and_the_same_bytes_whenever_it_is_made() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("pflow-gateway-1");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("pflow-gateway"), "program").unwrap();
        let (one, other) = (place.path().join("one.tar.gz"), place.path().join("other.tar.gz"));
        tar_gz(&folder, &one).unwrap();
        File::open(folder.join("pflow-gateway")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        tar_gz(&folder, &other).unwrap();
        assert_eq!(fs::read(&one).unwrap(), fs::read(&other).unwrap());
        let unpacked = place.path().join("unpacked");
        tar::Archive::new(flate2::read::GzDecoder::new(File::open(&one).unwrap())).unpack(&unpacked).unwrap();
        assert_eq!(fs::read(unpacked.join("pflow-gateway-1/pflow-gateway")).unwrap(), b"program");
    }

    #[test]
    fn checksums_are_as_sha256sum_reads_them_and_not_of_themselves() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("b"), "").unwrap();
        fs::write(place.path().join("a"), "abc").unwrap();
        checksums(place.path()).unwrap();
        checksums(place.path()).unwrap();
        let lines = fs::read_to_string(place.path().join("SHA256SUMS")).unwrap();
        assert_eq!(
            lines,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n"
        );
    }
}

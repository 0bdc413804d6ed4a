//! Archives and checksums of what is packed.
//! Takes folders and files; gives archives that are the same whenever they are made, and what `sha256sum --check` reads. Never says who made them, or when.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use sha2::{Digest as _, Sha256};

use crate::{
    python::{Venv, Version},
    shell::{Doing as _, Result, run, say},
};

/// A folder, under its own name.
pub(crate) fn tar_gz(folder: &Path, file: &Path) -> Result {
    let name = PathBuf::from(folder.file_name().unwrap_or_default());
    let files = files_in(folder)?;
    let pack = || -> io::Result<()> {
        let mut tar = tar::Builder::new(GzEncoder::new(File::create(file)?, Compression::best()));
        // Whoever built it, and when, is in none of it.
        tar.mode(tar::HeaderMode::Deterministic);
        for path in &files {
            tar.append_path_with_name(path, name.join(path.strip_prefix(folder).unwrap_or(path)))?;
        }
        tar.into_inner()?.finish()?.sync_all()
    };
    pack().doing(format!("cannot write {}", file.display()))
}

/// All of them, in the order of their names: a folder gives them as it likes.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).doing(format!("cannot read {}", next.display()))? {
            let path = entry.doing(format!("cannot read {}", next.display()))?.path();
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

/// Unpacks what [`tar_gz`] and others pack. What it wrote is new: cargo takes a file that is older than what was built of another one for that.
pub(crate) fn unpack(file: &Path, to: &Path) -> Result {
    let archive = File::open(file).doing(format!("cannot read {}", file.display()))?;
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    archive.set_preserve_mtime(false);
    archive.unpack(to).doing(format!("cannot unpack {}", file.display()))
}

/// The same for systems that have no tar of their own.
pub(crate) fn zip(folder: &Path, file: &Path) -> Result {
    const SCRIPT: &str = "
import pathlib, sys, zipfile
file, folder = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
    for path in sorted(path for path in folder.rglob('*') if path.is_file()):
        # From 1980, before which no archive of this kind was.
        archive.writestr(zipfile.ZipInfo(path.relative_to(folder.parent).as_posix()), path.read_bytes(), zipfile.ZIP_DEFLATED)
";
    let tools = Venv::with("build", &["build"], Version(10))?;
    run(tools.python().args(["-c", SCRIPT]).args([file, folder]))
}

/// Of every file, as `sha256sum --check` reads them.
pub(crate) fn checksums(out: &Path) -> Result {
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

pub(crate) fn copy(from: &Path, to: &Path) -> Result {
    fs::copy(from, to).map(drop).doing(format!("cannot copy {} to {}", from.display(), to.display()))
}

/// A file, or a folder with all that git would keep of it.
pub(crate) fn copy_all(from: &Path, to: &Path) -> Result {
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
        fs::create_dir(folder.join("man")).unwrap();
        // Not in the order in which they are to be: a folder gives them as it likes.
        for file in ["pflow-gateway", "man/z.1", "README.md", "man/a.1", "LICENSE-MIT"] {
            fs::write(folder.join(file), "program").unwrap();
        }
        let (one, other) = (place.path().join("one.tar.gz"), place.path().join("other.tar.gz"));
        tar_gz(&folder, &one).unwrap();
        File::open(folder.join("pflow-gateway")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        tar_gz(&folder, &other).unwrap();
        assert_eq!(fs::read(&one).unwrap(), fs::read(&other).unwrap());
        let mut packed = tar::Archive::new(GzDecoder::new(File::open(&one).unwrap()));
        let names = packed.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
        let wanted = ["LICENSE-MIT", "README.md", "man/a.1", "man/z.1", "pflow-gateway"];
        assert_eq!(names.collect::<Vec<_>>(), wanted.map(|file| format!("pflow-gateway-1/{file}")));
        let unpacked = place.path().join("unpacked");
        unpack(&one, &unpacked).unwrap();
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

//! A C++ compiler for libFuzzer.
//! Takes the machine's own, or else zig's, from `PyPI`, below the target folder. Never installs anything outside of it.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    python::{Venv, Version},
    shell::{Doing as _, Result, command, executable, succeeds, target},
};

/// The machine's own, as `cc` finds them.
const USUAL: [&str; 3] = ["c++", "g++", "clang++"];

/// What compiles and links C++.
pub(crate) enum Cxx {
    /// Found by itself, with a standard library called `stdc++`.
    OfTheMachine,
    /// This program, which brings its standard library along.
    Zig(PathBuf),
}

impl Cxx {
    /// The machine's own, or zig.
    pub(crate) fn found() -> Result<Self> {
        let named = std::env::var_os("CXX").is_some_and(|named| !named.is_empty());
        if named || USUAL.into_iter().any(|name| succeeds(command(name).arg("--version"))) {
            return Ok(Self::OfTheMachine);
        }
        Self::zig()
    }

    /// Zig, as a C++ compiler. It has names of its own for targets, and compiles for this machine when none is given.
    fn zig() -> Result<Self> {
        let zig = Venv::with("zig", &["zig"], Version(10))?.file_in_packages("ziglang/zig")?;
        let tools = target().join("tools");
        fs::create_dir_all(&tools).doing(format!("cannot make {}", tools.display()))?;
        let program = tools.join("zig-c++");
        let script = format!(
            "#!/bin/sh\nfor word; do\n    shift\n    case \"$word\" in\n    --target=*) ;;\n    *) set -- \"$@\" \"$word\" ;;\n    esac\ndone\n\
             exec '{}' c++ \"$@\"\n",
            zig.display()
        );
        fs::write(&program, script).doing(format!("cannot write {}", program.display()))?;
        executable(&program)?;
        Ok(Self::Zig(program))
    }

    /// Tells a build script which one to use.
    pub(crate) fn compiles(&self, command: &mut Command) {
        if let Self::Zig(program) = self {
            command.env("CXX", program);
        }
    }

    /// Tells `tests/fuzz/instrument` which one to link with.
    pub(crate) fn links(&self, command: &mut Command) {
        if let Self::Zig(program) = self {
            command.env("FUZZ_LINKER", program);
        }
    }
}

//! libFuzzer as the crate `libfuzzer-sys` compiles it. `cargo xtask fuzz` links the archive to the targets.

use libfuzzer_sys as _;

//! The program that searches: libFuzzer has its `main`, and calls the target that `FUZZ_TARGET` names.

#![no_main]

use std::{panic, process, sync::OnceLock};

use pflow_gateway_fuzz::TARGETS;

fn chosen() -> fn(&[u8]) {
    static CHOSEN: OnceLock<fn(&[u8])> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        // libFuzzer keeps the input of a process that aborts. Whatever catches a panic would hide it.
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            told(panic);
            process::abort();
        }));
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("FUZZ_TARGET={name} is no target")).1
    })
}

/// What libFuzzer calls for every input (LLVM's documentation, "Fuzz Target").
#[unsafe(no_mangle)]
extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, size: usize) -> i32 {
    // SAFETY: libFuzzer gives a pointer to `size` bytes that live as long as the call; it may be null when there are none.
    let bytes = if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, size) } };
    chosen()(bytes);
    0
}

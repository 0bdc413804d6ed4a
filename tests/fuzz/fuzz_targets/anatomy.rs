//! Components, before anything is compiled: any bytes are an anatomy or a sentence, and what is taken is no larger than what came.

use pflow_gateway::{
    Error,
    runtime::{Anatomy, Unfit},
};

/// One input.
pub fn run(bytes: &[u8]) {
    // A header is long, and the search is for what is behind it.
    let component = [b"\0asm\x0d\0\x01\0".as_slice(), bytes].concat();
    for bytes in [bytes, component.as_slice()] {
        match Anatomy::read(bytes) {
            Ok(anatomy) => {
                assert_eq!((anatomy.size, anatomy.sha256.len()), (bytes.len(), 64));
                let names: usize = anatomy.imports.iter().chain(&anatomy.exports).map(String::len).sum();
                assert!(names <= bytes.len());
                let _ = anatomy.contract();
                if let Err(unfit) = anatomy.check() {
                    told(unfit);
                }
                assert!(anatomy.check().is_err() || anatomy.contract().is_some(), "it fits without the contract");
            }
            Err(unfit) => told(unfit),
        }
    }
}

fn told(unfit: Unfit) {
    let error = Error::from(unfit);
    assert!(!error.message.is_empty() && error.hint.is_none_or(|hint| !hint.is_empty()));
}

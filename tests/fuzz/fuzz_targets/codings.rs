//! Codings: wherever a body is cut, the same comes out, no piece is larger than it may be, and what was not coded is refused.

use pflow_gateway::fuzzing::decoded;

const MOST: usize = 1 << 20;
/// One step's worth, and what a decoder adds to it.
const PIECE: usize = 80 * 1024;

/// One input. Its first byte says the coding, its second how it is cut.
pub fn run(bytes: &[u8]) {
    let [coding, size, body @ ..] = bytes else { return };
    let coding = ["gzip", "deflate", "br", "gzip, br", "x-gzip, deflate, gzip", "identity"][usize::from(coding % 6)];
    let whole = decoded(coding, body, body.len(), MOST);
    let Some((whole, largest)) = whole else { return };
    assert!(coding == "identity" || largest <= PIECE, "a piece of {largest}");
    assert!(whole.len() <= MOST + PIECE);
    for size in [1, usize::from(*size) + 1] {
        if whole.len() > MOST || body.len() / size > 4_096 {
            continue;
        }
        let cut = decoded(coding, body, size, MOST).map(|(cut, _)| cut);
        assert_eq!(cut.as_ref(), Some(&whole), "pieces of {size}");
    }
}

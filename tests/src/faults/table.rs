//! The table: every fault, in the order of the reference page.
//! Takes nothing; gives the rows of each layer. Never has two of one name (a test looks).

use super::{Fault, catalog, connection, eras, http_answers, products, sse};

/// Every fault.
#[must_use]
pub fn all() -> Vec<Fault> {
    let mut faults = connection::faults();
    faults.extend(http_answers::faults());
    faults.extend(sse::faults());
    faults.extend(sse::json_rpc());
    faults.extend(eras::ids());
    faults.extend(eras::faults());
    faults.extend(catalog::faults());
    faults.extend(catalog::paging());
    faults.extend(products::sessions());
    faults.extend(products::credentials());
    faults.extend(products::calls());
    faults.extend(products::backends());
    faults
}

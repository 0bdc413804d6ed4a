//! Reading a list to its end, and no further.
//! Takes a way to fetch one page; gives all pages joined, and a warning where reading stopped early.
//! Must end, whatever cursors a peer hands out: an empty cursor is one, a repeated one ends it.

use std::collections::BTreeSet;

use super::tools::{Listed, Page};
use crate::{
    model::{Concern, Json, Result, Warning},
    text,
};

/// All pages.
#[derive(Debug, Default)]
pub struct Listing {
    /// In the order of the pages.
    pub tools: Vec<Listed>,
    /// Of the pages, and of paging itself.
    pub warnings: Vec<Warning>,
    /// Pages read.
    pub pages: u32,
    /// The shortest of the pages' times.
    pub ttl_ms: Option<u64>,
    /// `_meta` of each page that has it.
    pub metas: Vec<Json>,
}

/// Reads until there is no cursor, the cursor repeats, or `max_pages` are read.
///
/// # Errors
///
/// Those of `fetch`.
pub fn read_all(max_pages: u32, mut fetch: impl FnMut(Option<&str>) -> Result<Page>) -> Result<Listing> {
    let mut listing = Listing::default();
    let mut seen = BTreeSet::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = fetch(cursor.as_deref())?;
        listing.pages += 1;
        listing.tools.extend(page.tools);
        listing.warnings.extend(page.warnings);
        listing.metas.extend(page.meta);
        listing.ttl_ms = match (listing.ttl_ms, page.ttl_ms) {
            (Some(before), Some(now)) => Some(before.min(now)),
            (before, now) => before.or(now),
        };
        let Some(next) = page.next else {
            return Ok(listing);
        };
        if !seen.insert(next.clone()) {
            listing.warnings.push(Warning {
                concern: Concern::RepeatedCursor,
                subject: None,
                message: format!(
                    "the gateway handed out the cursor \"{}\" twice; reading stopped after {} pages",
                    text::clean(&next),
                    listing.pages
                ),
            });
            return Ok(listing);
        }
        if listing.pages >= max_pages.max(1) {
            listing.warnings.push(Warning {
                concern: Concern::PageLimit,
                subject: None,
                message: format!("reading stopped at the limit of {} pages; there are more tools", listing.pages),
            });
            return Ok(listing);
        }
        cursor = Some(next);
    }
}

//! Reading a list to its end, and no further.
//! Takes a way to fetch one page; gives all pages joined, and a warning where reading stopped early: what came is kept when the rest cannot
//! be had. Must end, whatever cursors a peer hands out: an empty cursor is one, a repeated one ends it, and so does a page that was there
//! before.

use std::collections::BTreeSet;

use super::tools::Page;
use crate::{
    model::{Concern, Json, Result, Tool, Warning},
    text,
};

/// All pages.
#[derive(Debug, Default)]
pub struct Listing {
    /// In the order of the pages, unattributed.
    pub tools: Vec<Tool>,
    /// Of the pages, and of paging itself.
    pub warnings: Vec<Warning>,
    /// Pages read.
    pub pages: u32,
    /// The shortest of the pages' times.
    pub ttl_ms: Option<u64>,
    /// `_meta` of each page that has it.
    pub metas: Vec<Json>,
    /// A page could not be read: there may be more.
    pub cut: bool,
}

/// What came of asking for a page.
#[derive(Debug)]
pub enum Fetched {
    /// It.
    Page(Page),
    /// The peer knows no such page: there are no more.
    End,
    /// It cannot be had; why, in a phrase.
    Unread(String),
}

/// Whether something would be lost with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// No tool came yet.
    Nothing,
    /// Some did.
    Tools,
}

fn pages(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Reads until there is no cursor, the cursor repeats, a page cannot be had, or `max_pages` are read.
///
/// # Errors
///
/// Those of `fetch`.
pub fn read_all(max_pages: u32, mut fetch: impl FnMut(Option<&str>, Before) -> Result<Fetched>) -> Result<Listing> {
    let mut listing = Listing::default();
    let mut seen = BTreeSet::new();
    let mut cursor: Option<String> = None;
    // Where each page's tools are in the listing.
    let mut known: Vec<std::ops::Range<usize>> = Vec::new();
    loop {
        let before = if listing.tools.is_empty() { Before::Nothing } else { Before::Tools };
        let page = match fetch(cursor.as_deref(), before)? {
            Fetched::Page(page) => page,
            Fetched::End => return Ok(listing),
            Fetched::Unread(why) => {
                listing.cut = true;
                // The contract knows one concern for reading that stopped; before the limit it was a page.
                listing.warnings.push(Warning {
                    concern: Concern::PageLimit,
                    subject: None,
                    message: format!(
                        "the list of tools is not whole: page {} could not be read ({why}); the {} before it {} {}",
                        listing.pages.saturating_add(1),
                        text::count(pages(listing.pages), "page"),
                        if listing.pages == 1 { "has" } else { "have" },
                        text::count(listing.tools.len(), "tool")
                    ),
                });
                return Ok(listing);
            }
        };
        listing.pages += 1;
        let again = !page.tools.is_empty()
            && known.iter().any(|range| listing.tools.get(range.clone()) == Some(page.tools.as_slice()));
        if again {
            // A server that knows no cursors answers with its first page for ever. With an empty one it means that there is no more.
            if cursor.as_deref() != Some("") {
                let number = text::count(pages(listing.pages), "page");
                listing.cut = true;
                listing.warnings.push(Warning {
                    concern: Concern::RepeatedCursor,
                    subject: None,
                    message: format!(
                        "the gateway gave the same page for another cursor; reading stopped after {number}, and there may be more tools"
                    ),
                });
            }
            return Ok(listing);
        }
        known.push(listing.tools.len()..listing.tools.len() + page.tools.len());
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
            listing.cut = true;
            listing.warnings.push(Warning {
                concern: Concern::RepeatedCursor,
                subject: None,
                message: format!(
                    "the gateway handed out the cursor \"{}\" twice; reading stopped after {}",
                    text::clean(&next),
                    text::count(pages(listing.pages), "page")
                ),
            });
            return Ok(listing);
        }
        if listing.pages >= max_pages.max(1) {
            listing.cut = true;
            listing.warnings.push(Warning {
                concern: Concern::PageLimit,
                subject: None,
                message: format!(
                    "reading stopped at the limit of {}; there are more tools",
                    text::count(pages(listing.pages), "page")
                ),
            });
            return Ok(listing);
        }
        cursor = Some(next);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as a fetch gives it")]
    fn page(page: Page) -> Result<Fetched> {
        Ok(Fetched::Page(page))
    }

    #[test]
    fn a_page_that_cannot_be_had_leaves_what_came_and_is_told() {
        let read = |last: Fetched| {
            let mut last = Some(last);
            read_all(10, |cursor, before| {
                let tools = vec![Tool::named("a")];
                if cursor.is_none() {
                    return page(Page { tools, next: Some("2".to_owned()), ..Page::default() });
                }
                assert_eq!(before, Before::Tools);
                Ok(last.take().unwrap())
            })
            .unwrap()
        };
        let ended = read(Fetched::End);
        assert_eq!((ended.tools.len(), ended.pages, ended.warnings.len()), (1, 1, 0));
        let cut = read(Fetched::Unread("HTTP 500: boom".to_owned()));
        assert_eq!((cut.tools.len(), cut.pages), (1, 1));
        let told: Vec<_> = cut.warnings.iter().map(|warning| (warning.concern, warning.message.as_str())).collect();
        let said = "the list of tools is not whole: page 2 could not be read (HTTP 500: boom); the 1 page before it has 1 tool";
        assert_eq!(told, [(Concern::PageLimit, said)]);
    }

    #[test]
    fn the_shortest_time_to_live_counts() {
        let mut ttls = [Some(5000), None, Some(300)].into_iter();
        let mut cursors = ["", "2"].into_iter();
        let listing = read_all(10, |_, _| {
            page(Page { ttl_ms: ttls.next().flatten(), next: cursors.next().map(str::to_owned), ..Page::default() })
        });
        assert_eq!(listing.unwrap().ttl_ms, Some(300));
    }

    #[test]
    fn a_page_that_was_there_before_adds_nothing_and_ends_it() {
        let endless = |cursors: &'static [&'static str]| {
            let mut cursors = cursors.iter().cycle();
            read_all(10, move |_, _| {
                let tools = vec![Tool::named("a"), Tool::named("b")];
                page(Page { tools, next: cursors.next().map(|cursor| (*cursor).to_owned()), ..Page::default() })
            })
            .unwrap()
        };
        for (cursors, warnings) in [(&[""][..], 0), (&["1", "2", "3"], 1), (&["1"], 1)] {
            let listing = endless(cursors);
            assert_eq!((listing.tools.len(), listing.pages), (2, 2), "{cursors:?}");
            assert_eq!(listing.warnings.len(), warnings, "{cursors:?}: {:?}", listing.warnings);
        }
        // Empty pages are no reason to stop.
        let mut scripts = [vec![], vec![], vec![Tool::named("a")]].into_iter();
        let mut next = ["1", "2"].into_iter();
        let listing = read_all(10, |_, _| {
            page(Page { tools: scripts.next().unwrap(), next: next.next().map(str::to_owned), ..Page::default() })
        });
        assert_eq!(listing.unwrap().tools.len(), 1);
    }

    proptest! {
        /// Whatever cursors a peer hands out: reading ends, asks each cursor once, and loses no tool of a page it read.
        #[test]
        fn reading_always_ends_and_loses_nothing(
            script in proptest::collection::vec((0_usize..4, proptest::option::of("[a-c]{0,2}")), 1..40),
            max_pages in 0_u32..30,
        ) {
            let mut asked = Vec::new();
            let mut sent = Vec::new();
            let mut pages = script.iter().cycle();
            let listing = read_all(max_pages, |cursor, _| {
                asked.push(cursor.map(str::to_owned));
                let (tools, next) = pages.next().unwrap();
                let tools: Vec<Tool> = (0..*tools).map(|i| Tool::named(&format!("{}-{i}", asked.len()))).collect();
                sent.extend(tools.iter().map(|tool| tool.name.clone()));
                page(Page { tools, next: next.clone(), ..Page::default() })
            })
            .unwrap();
            let names: Vec<String> = listing.tools.into_iter().map(|tool| tool.name).collect();
            prop_assert_eq!(names, sent);
            prop_assert_eq!(usize::try_from(listing.pages).unwrap(), asked.len());
            prop_assert!(listing.pages <= max_pages.max(1));
            let distinct: BTreeSet<_> = asked.iter().collect();
            prop_assert_eq!(distinct.len(), asked.len(), "no cursor is asked twice");
            prop_assert!(listing.warnings.len() <= 1);
        }
    }
}

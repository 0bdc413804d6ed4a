//! Lists whose later pages cannot be had: what came is kept, and that it is not all is said.

use std::{cell::Cell, rc::Rc, time::Duration};

use pflow_gateway_component::{
    http::{Failure, FailureKind, Sent},
    model::{Catalog, Concern, Error, Result},
};
use serde_json::json;

use crate::{
    fake::{Canned, Fake, Seen, lost, open, tool},
    legacy::hello,
};

/// Two tools a page; the third page, of five, is answered so.
fn cut_at_the_third(answer: impl Fn(&Seen) -> Result<Canned, Failure> + 'static) -> Rc<Fake> {
    Fake::scripted(move |seen: &Seen| {
        if let Some(canned) = hello(seen) {
            return Ok(canned);
        }
        let page = seen.body["params"]["cursor"].as_str().and_then(|cursor| cursor.parse().ok()).unwrap_or(1);
        if page == 3 {
            return answer(seen);
        }
        let tools = [tool(&format!("t{page}a")), tool(&format!("t{page}b"))];
        let next = (page < 5).then(|| (page + 1).to_string());
        Ok(Canned::result(seen, &json!({"tools": tools, "nextCursor": next})))
    })
}

fn listed(fake: &Rc<Fake>) -> Catalog {
    open(fake).unwrap().list_tools().unwrap()
}

#[test]
fn a_page_that_fails_leaves_the_tools_before_it_and_a_warning_that_says_why() {
    type Answer = Box<dyn Fn(&Seen) -> Result<Canned, Failure>>;
    let answers: Vec<(&str, Answer)> = vec![
        ("HTTP 500: boom", Box::new(|_| Ok(Canned::text(500, "text/plain", "boom")))),
        ("HTTP 429: slow down", Box::new(|_| Ok(Canned::text(429, "text/plain", "slow down")))),
        ("HTTP 401", Box::new(|_| Ok(Canned::empty(401)))),
        ("HTTP 404: no such session", Box::new(|_| Ok(Canned::text(404, "text/plain", "no such session")))),
        ("error -32602: Invalid cursor", Box::new(|seen| Ok(Canned::error(200, seen, -32_602, "Invalid cursor")))),
        ("error -32000: what?", Box::new(|seen| Ok(Canned::error(200, seen, -32_000, "what?")))),
        ("why", Box::new(|_| Err(lost(FailureKind::Timeout, Sent::Maybe)))),
        ("the result of tools/list is no list", Box::new(|seen| Ok(Canned::result(seen, &json!({"tools": 7}))))),
        ("broken JSON", Box::new(|_| Ok(Canned::text(200, "application/json", "{\"tools\"")))),
    ];
    for (why, answer) in answers {
        let fake = cut_at_the_third(answer);
        let catalog = listed(&fake);
        assert_eq!((catalog.tools.len(), catalog.pages), (4, 2), "{why}");
        let told: Vec<_> = catalog.warnings.iter().filter(|w| w.concern == Concern::PageLimit).collect();
        assert!(matches!(told.as_slice(), [told] if told.message.contains(why)), "{why}: {:?}", catalog.warnings);
        assert!(told.iter().all(|w| w.message.starts_with("the list of tools is not whole: page 3 ")), "{told:?}");
    }
}

#[test]
fn who_asks_to_slow_down_is_not_asked_once_more() {
    let fake = cut_at_the_third(|_| Ok(Canned::text(429, "text/plain", "slow down").header("retry-after", "7")));
    assert_eq!(listed(&fake).tools.len(), 4);
    assert_eq!(fake.count("POST tools/list"), 3);
}

#[test]
fn a_page_that_hangs_has_a_third_of_the_time_and_the_first_page_all_of_it() {
    let fake = cut_at_the_third(|_| Err(lost(FailureKind::Timeout, Sent::Maybe)));
    listed(&fake);
    let patience: Vec<_> =
        fake.seen.borrow().iter().filter(|seen| seen.rpc() == "tools/list").map(|seen| seen.within).collect();
    let third = Some(Duration::from_secs(10));
    assert_eq!(patience, [None, third, third]);
}

#[test]
fn a_session_or_a_credential_that_ends_between_two_pages_is_the_hosts_to_mend() {
    for status in [404, 401] {
        let over = Rc::new(Cell::new(false));
        let ended = Rc::clone(&over);
        let fake = Fake::scripted(move |seen: &Seen| {
            if let Some(canned) = hello(seen) {
                return Ok(canned.header("mcp-session-id", "s"));
            }
            if seen.body["params"]["cursor"].is_string() {
                over.set(true);
            }
            Ok(if over.get() {
                Canned::empty(status)
            } else {
                Canned::result(seen, &json!({"tools": [tool("a")], "nextCursor": "2"}))
            })
        });
        let error = open(&fake).unwrap().list_tools().unwrap_err();
        assert!(matches!(error, Error::SessionLost(_) | Error::AuthRequired(_)), "{error:?}");
        assert!(ended.get());
    }
}

#[test]
fn without_a_tool_before_it_a_page_that_fails_is_an_error() {
    let fake = Fake::scripted(|seen: &Seen| {
        Ok(hello(seen).unwrap_or_else(|| match seen.body["params"]["cursor"].as_str() {
            None => Canned::result(seen, &json!({"tools": [], "nextCursor": "2"})),
            Some(_) => Canned::text(500, "text/plain", "boom"),
        }))
    });
    assert!(matches!(open(&fake).unwrap().list_tools(), Err(Error::Upstream(_))));
}

#[test]
fn an_empty_cursor_that_is_refused_is_the_end_and_nothing_to_warn_of() {
    let fake = Fake::scripted(|seen: &Seen| {
        Ok(hello(seen).unwrap_or_else(|| match seen.body["params"]["cursor"].as_str() {
            None => Canned::result(seen, &json!({"tools": [tool("a")], "nextCursor": ""})),
            Some(_) => Canned::error(200, seen, -32_602, "Invalid cursor"),
        }))
    });
    let catalog = listed(&fake);
    assert_eq!((catalog.tools.len(), catalog.pages, catalog.warnings.as_slice()), (1, 1, &[][..]));
    assert_eq!(fake.count("POST tools/list"), 2, "nothing is asked again");
}

//! What is kept of listings, and what becomes of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::path::Path;

use super::{format::ONE, *};
use crate::{
    config::Changes,
    definitions::{Identity, Owner, Parts, Standing, listing},
};

fn store(folder: &Path) -> Store {
    let mut config = GatewayConfig::for_url("http://127.0.0.1:8811/mcp").unwrap();
    "docker".clone_into(&mut config.name);
    Store::at(folder, &config)
}

fn keep(store: &Store, changes: Changes, tools: &[(&'static str, &'static str)]) -> Kept {
    let tools: Vec<_> = tools.iter().map(|(name, description)| listing(name, description)).collect();
    keep_all(store, changes, &tools).unwrap()
}

fn keep_all(store: &Store, changes: Changes, tools: &[Listing<'_>]) -> Result<Kept> {
    let tools: Vec<_> = tools.iter().map(|tool| (tool.clone(), tool.parts.digest())).collect();
    store.keep(&tools, changes, Complete::Yes)
}

fn pending(store: &Store) -> Vec<(String, Standing, Option<String>)> {
    let of = |definition: Option<Definition>| definition.and_then(|definition| definition.description);
    let all = store.review().unwrap().unwrap().pending.into_iter();
    all.map(|one| (one.name, one.standing, of(one.before.and_then(|before| before.definition)))).collect()
}

#[test]
fn the_first_listing_is_accepted_and_a_change_waits_with_both_definitions() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    assert!(store.review().unwrap().is_none());
    assert_eq!(keep(&store, Changes::Warn, &[("a", "A"), ("b", "B")]), Kept::First(2));
    assert_eq!(keep(&store, Changes::Warn, &[("a", "A"), ("b", "B")]), Kept::Compared);
    let review = store.review().unwrap().unwrap();
    assert_eq!((review.by, review.tools, review.pending.len(), review.gone.len()), (By::First, 2, 0, 0));
    keep(&store, Changes::Warn, &[("a", "A"), ("b", "evil")]);
    assert_eq!(pending(&store), [("b".to_owned(), Standing::Changed, Some("B".to_owned()))]);
    // It goes away and comes back: what was accepted is still known.
    keep(&store, Changes::Warn, &[("a", "A")]);
    assert_eq!(store.review().unwrap().unwrap().gone, ["b"]);
    keep(&store, Changes::Warn, &[("a", "A"), ("b", "evil")]);
    assert_eq!(pending(&store).len(), 1);
    // Nothing differs any more.
    keep(&store, Changes::Warn, &[("a", "A"), ("b", "B")]);
    assert!(pending(&store).is_empty());
}

#[test]
fn new_tools_are_taken_in_unless_they_are_held() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    keep(&store, Changes::Hold, &[("a", "A")]);
    keep(&store, Changes::Hold, &[("a", "A"), ("b", "B")]);
    assert_eq!(pending(&store), [("b".to_owned(), Standing::New, None)]);
    keep(&store, Changes::Warn, &[("a", "A"), ("b", "B")]);
    assert!(pending(&store).is_empty());
    keep(&store, Changes::Warn, &[("a", "A"), ("b", "other")]);
    assert_eq!(pending(&store), [("b".to_owned(), Standing::Changed, Some("B".to_owned()))]);
}

#[test]
fn one_tool_is_accepted_and_the_others_wait_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    keep(&store, Changes::Hold, &[("a", "A"), ("b", "B"), ("c", "C")]);
    let now = [("a", "1"), ("b", "2"), ("d", "D")];
    keep(&store, Changes::Hold, &now);
    let taken = store.accept(&["b".to_owned()]).unwrap();
    assert_eq!(taken, Taken { tools: vec!["b".to_owned()], gone: Vec::new() });
    let names: Vec<_> = pending(&store).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["a", "d"]);
    assert_eq!(store.review().unwrap().unwrap().by, By::User);
    // The next listing says the same.
    keep(&store, Changes::Hold, &now);
    assert_eq!(pending(&store).len(), 2);
    let taken = store.accept(&[]).unwrap();
    assert_eq!((taken.tools, taken.gone), (vec!["a".to_owned(), "d".to_owned()], vec!["c".to_owned()]));
    keep(&store, Changes::Hold, &now);
    let review = store.review().unwrap().unwrap();
    assert_eq!((review.tools, review.pending.len(), review.gone.len()), (3, 0, 0));
    assert_eq!(store.accept(&[]).unwrap(), Taken::default());
}

#[test]
fn a_renamed_tool_keeps_what_was_accepted_and_its_old_name_is_no_free_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let of = |name: &'static str, id: &str| {
        let identity = Some(Identity { service: id.to_owned(), original: "a".to_owned() });
        Listing { owner: Owner { service: Some(id.to_owned()), certain: true, identity }, ..listing(name, "A") }
    };
    keep_all(&store, Changes::Warn, &[of("old", "1")]).unwrap();
    keep_all(&store, Changes::Warn, &[of("new", "1")]).unwrap();
    assert!(pending(&store).is_empty(), "a rename is no change");
    keep_all(&store, Changes::Warn, &[of("new", "1"), of("old", "2")]).unwrap();
    assert_eq!(pending(&store), [("old".to_owned(), Standing::Replaced, Some("A".to_owned()))]);
    store.accept(&[]).unwrap();
    keep_all(&store, Changes::Warn, &[of("new", "1"), of("old", "2")]).unwrap();
    assert!(pending(&store).is_empty());
    assert_eq!(store.review().unwrap().unwrap().tools, 2, "each has a place of its own");
}

#[test]
fn another_url_is_another_gateway_and_an_incomplete_listing_is_no_first_one() {
    let folder = tempfile::tempdir().unwrap();
    let here = store(folder.path());
    let tools = [(listing("a", "A"), listing("a", "A").parts.digest())];
    assert_eq!(here.keep(&tools, Changes::Warn, Complete::No).unwrap(), Kept::Compared);
    assert!(here.review().unwrap().is_none());
    keep(&here, Changes::Warn, &[("a", "A")]);
    let mut other = GatewayConfig::for_url("http://127.0.0.1:9/mcp").unwrap();
    "docker".clone_into(&mut other.name);
    assert!(Store::at(folder.path(), &other).review().unwrap().is_none());
}

#[test]
fn a_part_of_a_list_tells_what_changed_and_says_nothing_of_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    keep(&store, Changes::Warn, &[("a", "A"), ("b", "B"), ("c", "C")]);
    keep(&store, Changes::Warn, &[("a", "A"), ("b", "B")]);
    let part = |tools: &[(&'static str, &'static str)]| {
        let tools: Vec<_> = tools.iter().map(|(name, description)| listing(name, description)).collect();
        let tools: Vec<_> = tools.into_iter().map(|tool| (tool.clone(), tool.parts.digest())).collect();
        store.keep(&tools, Changes::Warn, Complete::No).unwrap()
    };
    part(&[("a", "A")]);
    assert_eq!(store.review().unwrap().unwrap().gone, ["c"], "b may stand in the rest");
    part(&[("a", "evil")]);
    assert_eq!(pending(&store), [("a".to_owned(), Standing::Changed, Some("A".to_owned()))]);
    assert_eq!(store.review().unwrap().unwrap().gone, ["c"]);
    // What waits goes on waiting when the part that is read has other tools; what is back is not gone.
    part(&[("b", "evil"), ("c", "C")]);
    let waits: Vec<_> = pending(&store).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(waits, ["a", "b"]);
    assert!(store.review().unwrap().unwrap().gone.is_empty());
}

#[test]
fn what_is_too_large_in_any_part_is_known_by_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let large = "x".repeat(ONE + 1);
    let annotations = format!(r#"{{"title":"{large}"}}"#);
    let plain = crate::definitions::parts("A", "{}");
    for parts in [
        Parts { title: Some(&large), ..plain.clone() },
        Parts { annotations: Some((&*annotations).into()), ..plain.clone() },
        Parts { output_schema: Some(&annotations), ..plain },
    ] {
        store.forget();
        keep_all(&store, Changes::Hold, &[Listing { name: "a", owner: Owner::default(), parts }]).unwrap();
        assert!(std::fs::metadata(&store.file).unwrap().len() < 1_000);
        assert!(store.accepted().unwrap().is_some(), "what was written can be read again");
    }
}

#[test]
fn what_is_too_large_is_known_by_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let (large, larger) = ("x".repeat(ONE + 1), "y".repeat(ONE + 1));
    let of = |text| Listing { name: "a", owner: Owner::default(), parts: crate::definitions::parts(text, "{}") };
    keep_all(&store, Changes::Warn, &[of(&large)]).unwrap();
    assert!(std::fs::metadata(&store.file).unwrap().len() < 1_000);
    keep_all(&store, Changes::Warn, &[of(&large)]).unwrap();
    assert!(pending(&store).is_empty());
    keep_all(&store, Changes::Warn, &[of(&larger)]).unwrap();
    assert_eq!(pending(&store), [("a".to_owned(), Standing::Changed, None)]);
}

#[test]
fn a_broken_file_holds_everything_and_otherwise_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    for broken in ["", "{}\n", "[]\n", "{\"format\":9}\n", "\u{0}"] {
        keep(&store, Changes::Warn, &[("a", "A")]);
        std::fs::write(&store.file, broken).unwrap();
        let error = store.accepted().unwrap_err();
        assert!(error.is_broken(), "{broken:?}: {error:?}");
        assert_eq!(matches!(error, StoreError::Empty), broken.is_empty(), "{broken:?}: {error:?}");
        assert!(keep_all(&store, Changes::Hold, &[listing("a", "A")]).is_err(), "{broken:?}");
        assert_eq!(std::fs::read_to_string(&store.file).unwrap(), broken, "nothing is written over it");
        assert_eq!(keep(&store, Changes::Warn, &[("a", "A")]), Kept::First(1), "{broken:?}");
        // Half a line, as no write of ours leaves it.
        let whole = std::fs::read_to_string(&store.file).unwrap();
        std::fs::write(&store.file, &whole[..whole.len() - 5]).unwrap();
        assert!(matches!(store.accepted(), Err(StoreError::Endless)));
        store.forget();
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_it_and_no_link_is_followed() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    keep(&store, Changes::Warn, &[("a", "A")]);
    keep(&store, Changes::Warn, &[("a", "B")]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&store.file), mode(&store.pending), mode(store.file.parent().unwrap())), (0o600, 0o600, 0o700));
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(&store.file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &store.file).unwrap();
    // Whoever put the link there may take it away: the file is not to blame.
    assert!(matches!(store.accepted(), Err(error @ StoreError::Io(_)) if !error.is_broken()));
}

#[test]
fn ten_thousand_tools_are_written_read_and_compared_in_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let schema = format!(r#"{{"type":"object","properties":{{"a":{{"description":"{}"}}}}}}"#, "word ".repeat(300));
    let names: Vec<String> = (0..10_000).map(|number| format!("tool_{number}")).collect();
    let of = |description| -> Vec<Listing<'_>> {
        names
            .iter()
            .map(|name| Listing {
                name,
                owner: Owner::default(),
                parts: crate::definitions::parts(description, &schema),
            })
            .collect()
    };
    let started = std::time::Instant::now();
    keep_all(&store, Changes::Hold, &of("one")).unwrap();
    let size = std::fs::metadata(&store.file).unwrap().len();
    assert!((15_000_000..25_000_000).contains(&size), "{size}");
    keep_all(&store, Changes::Hold, &of("one")).unwrap();
    keep_all(&store, Changes::Hold, &of("two")).unwrap();
    assert_eq!(store.review().unwrap().unwrap().pending.len(), 10_000);
    assert_eq!(store.accept(&[]).unwrap().tools.len(), 10_000);
    // Some seconds even on a busy machine; a quadratic step would take many minutes.
    assert!(started.elapsed() < std::time::Duration::from_secs(120), "{:?}", started.elapsed());
}

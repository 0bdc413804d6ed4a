//! What a component's filter thinks of tools.
//! Takes rules and what is known of each tool; gives one verdict for each. No traffic.

use super::{convert, peer::Peer};
use crate::{
    Deadline, Result,
    gateway::failure::Failure,
    runtime::{Conversation, filter, types},
};

/// One for each tool of a catalogue; with what the component wants to see of them.
pub(super) async fn of_catalog(
    peer: &Peer,
    conversation: &mut Conversation,
    rules: &filter::Rules,
    catalog: &types::Catalog,
    by: Deadline,
) -> Result<Vec<Option<filter::Reason>>, Failure> {
    let looks = conversation.looks_at(peer.left_of(by)?).await?;
    let candidates: Vec<_> = catalog.tools.iter().map(|tool| convert::candidate(tool, looks)).collect();
    Ok(conversation.select(rules, &candidates, peer.left_of(by)?).await?)
}

/// One for each of these.
pub(super) async fn of_these(
    peer: &Peer,
    conversation: &mut Conversation,
    rules: &filter::Rules,
    candidates: &[filter::Candidate],
    by: Deadline,
) -> Result<Vec<Option<filter::Reason>>> {
    let verdicts = match peer.left_of(by) {
        Ok(left) => conversation.select(rules, candidates, left).await.map_err(Failure::from),
        Err(late) => Err(late),
    };
    verdicts.map_err(|failure| peer.explain(failure))
}

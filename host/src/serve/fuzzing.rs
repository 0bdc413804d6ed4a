//! Doors for the fuzz targets: lines of a client, lists of tools, results.
//! Takes JSON of others; gives what pflow would be sent. See [`crate::fuzzing`].

use super::{
    catalog::{Catalog, Outputs},
    results, rpc,
};
use crate::{
    fit,
    json::Json,
    report::{Call, Tools},
};

/// What a line on stdin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Nothing.
    Blank,
    /// A batch, or one message: what each is, and its id when it wants an answer or gets a refusal.
    Messages(Vec<(&'static str, Option<String>)>),
}

/// Reads a line as `serve` does.
#[must_use]
pub fn line(bytes: &[u8]) -> Line {
    let one = |read: rpc::Read| match read {
        Ok(rpc::Message::Request { id, .. }) => ("request", Some(id.get().to_owned())),
        Ok(rpc::Message::Notification { .. }) => ("notification", None),
        Ok(rpc::Message::Response) => ("response", None),
        Err((id, _)) => ("refused", Some(id.get().to_owned())),
    };
    match rpc::read(bytes.to_vec()) {
        rpc::Line::Blank => Line::Blank,
        rpc::Line::One(read) => Line::Messages(vec![one(read)]),
        rpc::Line::Batch(all) => Line::Messages(all.into_iter().map(one).collect()),
    }
}

/// The id of a message that was too long to keep.
#[must_use]
pub fn id_of_fragments(start: &[u8], end: &[u8]) -> Option<String> {
    rpc::id_of_fragments(start, end).map(|id| id.get().to_owned())
}

/// A list of tools as pflow is shown it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// MCP's list, in JSON: with output schemas, and without.
    pub tools: (String, String),
    /// What is said of it; the same is said by `tools`.
    pub warnings: Vec<String>,
    /// The arguments of a call of each tool, as the tool gets them; in order of the names that were asked for.
    pub arguments: Vec<String>,
}

/// Shows a list. `calls`: tools and the arguments that pflow would send, an object in JSON.
#[must_use]
pub fn listed(tools: &Tools, calls: &[(&str, &str)]) -> Listed {
    let catalog = Catalog::new(tools);
    let (mut with, mut without) = (String::new(), String::new());
    catalog.write(Outputs::Shown, &mut with);
    catalog.write(Outputs::LeftOut, &mut without);
    let restore = |(tool, given): &(&str, &str)| {
        Json::object((*given).to_owned())
            .map_or_else(|_| String::new(), |given| catalog.restore(tool, given).get().to_owned())
    };
    let mut warnings = catalog.warnings().to_vec();
    warnings.extend(fit::warnings(&tools.tools));
    Listed { tools: (with, without), warnings, arguments: calls.iter().map(restore).collect() }
}

/// A result as pflow gets it. None: the component would not have given that.
#[must_use]
pub fn call_result(result: &str, ok: bool) -> Option<String> {
    let result = Json::parse(result.to_owned()).ok()?;
    let call = Call { gateway: "g".into(), tool: "t".into(), service: None, ok, result: Some(result), error: None };
    Some(results::call_result(call).get().to_owned())
}

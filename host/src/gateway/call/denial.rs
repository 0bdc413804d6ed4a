//! Whether a gateway says that it has no tool of this name.
//! Takes what came of a call; judges by words, which differ from gateway to gateway. Never by words alone where the tool is listed and ran.

use super::sending::Unanswered;
use crate::{
    gateway::explain::state_of,
    json::{elements, pick, unquote},
    report::Status,
    runtime::{calls, types},
};

/// Whether the gateway may not know the name any more. The catalogue says for certain; this is only whether to read it.
pub(super) fn name_is_gone(answered: &Result<calls::Outcome, Unanswered>) -> bool {
    match answered {
        Ok(outcome) => outcome.failure.as_ref().is_some_and(|failure| {
            failure.service.is_none()
                && failure.delivery == types::Delivery::NotDelivered
                && state_of(failure) == Status::Unknown
        }),
        Err(unanswered) => unanswered.rejected,
    }
}

/// Whether the gateway says in words that it has no such tool.
pub(super) fn says_unknown(answered: &Result<calls::Outcome, Unanswered>, tool: &str) -> bool {
    match answered {
        Ok(outcome) => {
            let failure = outcome.failure.as_ref().filter(|failure| failure.service.is_none());
            failure.is_some_and(|failure| names(&failure.message, tool) && tells_of_no_tool(&failure.message))
        }
        Err(unanswered) => unanswered.says_unknown,
    }
}

/// The same in the text of a result. Of a tool that is listed, a result is the tool's own; of one that is not, the gateway's.
pub(super) fn is_told_unknown(answered: &Result<calls::Outcome, Unanswered>, tool: &str) -> bool {
    let Ok(outcome) = answered else { return false };
    let mut told = false;
    if let Some([Some(content)]) = outcome.failed.then(|| pick(&outcome.result, ["content"])).flatten() {
        elements(content, &mut |block| {
            let text = pick(block.get(), ["text"]).and_then(|[text]| text).and_then(unquote);
            told |= text.is_some_and(|text| names(&text, tool) && says_no_such_tool(&text));
        });
    }
    told
}

/// Whether a text is about this tool: it has the name as a word. A tool that ran may say of something else that it was not found.
fn names(text: &str, tool: &str) -> bool {
    let (text, tool) = (text.to_ascii_lowercase(), tool.to_ascii_lowercase());
    let of_a_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let parts: Vec<&str> = text.split(tool.as_str()).collect();
    parts
        .windows(2)
        .any(|two| matches!(two, [before, after] if !before.ends_with(of_a_name) && !after.starts_with(of_a_name)))
}

fn says_no_such_tool(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["unknown tool", "tool not found", "no such tool", "no tool named"].iter().any(|words| text.contains(words))
}

pub(super) fn tells_of_no_tool(text: &str) -> bool {
    // Go's SDK begins every failure with the method's name.
    let text = text.to_ascii_lowercase().replace("tools/call", "");
    says_no_such_tool(&text) || (text.contains("tool") && text.contains("not found"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_about_a_tool_only_when_it_has_the_name_as_a_word() {
        assert!(names("Unknown tool: list_issues", "list_issues"));
        assert!(names("tool 'LIST' not found", "list"));
        assert!(!names("tool list_issues not found", "list"));
        assert!(!names("no such tool", "list"));
    }

    #[test]
    fn a_method_of_the_protocol_is_no_tool() {
        assert!(tells_of_no_tool("tools/call: unknown tool x"));
        assert!(tells_of_no_tool("the tool was not found"));
        assert!(!tells_of_no_tool("tools/call: file not found"));
    }
}

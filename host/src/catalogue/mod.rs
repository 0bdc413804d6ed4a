//! What can be said of a list of tools: which of them somebody looks for, and what they cost a model.
//! Takes tools as they were listed; gives numbers. Pure, and the same for the same tools.

mod search;
mod tokens;

pub use self::{
    search::{Found, Index},
    tokens::{HOW, tokens},
};

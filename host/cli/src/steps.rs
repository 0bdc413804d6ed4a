//! A test whose steps are printed as they are done.
//! Takes a gateway and where to print; gives the report, and what is left to print. Prints nothing where a program reads.

use pflow_gateway_base::sync::Mutex;

use super::{
    context::Context,
    render,
    screen::{Format, print, say},
};
use pflow_gateway::{
    Gateway,
    report::{Check, Test},
};

/// Where steps go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// Where results go.
    Stdout,
    /// Beside questions.
    Stderr,
}

/// Steps, as far as they were told.
pub(super) struct Steps {
    /// None: a program reads.
    to: Option<To>,
    told: Mutex<Vec<Check>>,
}

impl Steps {
    /// Those of this gateway; begins with its name.
    pub(super) fn of(context: &Context, gateway: &Gateway, to: To) -> Self {
        let steps = Self { to: (context.format == Format::Text).then_some(to), told: Mutex::default() };
        let config = gateway.config();
        steps.put(&render::test_of(&config.name, config.shown()));
        steps
    }

    fn put(&self, text: &str) {
        match self.to {
            // Whoever does not read any more is told so by the end of the command.
            Some(To::Stdout) => drop(print(text)),
            Some(To::Stderr) => say(text),
            None => {}
        }
    }

    /// A step that is done.
    pub(super) fn tell(&self, check: &Check) {
        self.put(&render::step(check));
        self.told.lock().push(check.clone());
    }

    /// Goes through the steps of connecting, and tells of each.
    pub(super) async fn test(&self, context: &Context, gateway: &Gateway) -> Test {
        let _waiting = context.waiting.on(&gateway.config().name);
        gateway.test_telling(&|check| self.tell(check)).await
    }

    /// What is left to print.
    pub(super) fn rest(&self, report: &Test) -> String {
        render::rest_of_test(report, &self.told.lock())
    }
}

//! What `component` is told.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use crate::conformance::Interface;

/// `component`.
#[derive(Args, Debug)]
pub(in crate::cli) struct Component {
    #[command(subcommand)]
    pub(in crate::cli) action: ComponentAction,
}

/// What to do with components.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ComponentAction {
    /// Show the running component and its limits
    Show,
    /// Run this component from now on
    Use {
        /// A component
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Only for this gateway
        #[arg(long, value_name = "NAME")]
        gateway: Option<String>,
    },
    /// List the components that were chosen
    List,
    /// Go back to the built-in component
    Reset {
        /// Only for this gateway
        #[arg(long, value_name = "NAME")]
        gateway: Option<String>,
    },
    /// Play imitation gateways to a component, and score it against the contract
    Check(CheckComponent),
    /// Write the built-in component to a file: to look at, or to compose a part of your own with it
    Export {
        /// Where to; a file that is there stays
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Write the built-in component's machine code, for packaging: a program uses it when it was built to know its digest
    Precompile {
        /// Where to
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: PathBuf,
    },
}

/// `component check`.
#[derive(Args, Debug)]
pub(in crate::cli) struct CheckComponent {
    /// A component [default: the one that runs]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(in crate::cli) file: Option<PathBuf>,
    /// The one that runs for this gateway
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub(in crate::cli) gateway: Option<String>,
    /// Check only this part of the contract; may be repeated
    #[arg(long = "interface", value_enum, value_name = "NAME")]
    pub(in crate::cli) interfaces: Vec<InterfaceName>,
}

/// A part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum InterfaceName {
    /// Connecting, listing tools, and what goes wrong there
    Discovery,
    /// Which tools a user wants
    Filter,
    /// The state of services
    Health,
    /// Calling tools
    Calls,
    /// What is known of products
    Products,
    /// Surviving what gateways send
    Sandbox,
}

impl From<InterfaceName> for Interface {
    fn from(name: InterfaceName) -> Self {
        match name {
            InterfaceName::Discovery => Self::Discovery,
            InterfaceName::Filter => Self::Filter,
            InterfaceName::Health => Self::Health,
            InterfaceName::Calls => Self::Calls,
            InterfaceName::Products => Self::Products,
            InterfaceName::Sandbox => Self::Sandbox,
        }
    }
}

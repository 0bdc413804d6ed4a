//! What `component` is told.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use pflow_gateway_conformance::Interface;

/// `component`.
#[derive(Args, Debug)]
pub(crate) struct Component {
    #[command(subcommand)]
    pub(crate) action: ComponentAction,
}

/// What to do with components.
#[derive(Debug, Subcommand)]
pub(crate) enum ComponentAction {
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
    /// Begin a component of your own, in a folder of its name
    New(NewComponent),
    /// Build the component of a folder that `new` wrote, with its language's own tools
    Build {
        /// The folder
        #[arg(value_hint = ValueHint::DirPath, default_value = ".")]
        folder: PathBuf,
    },
    /// Write the contract's WIT files into a folder
    Wit {
        /// A folder that is not there yet
        #[arg(value_hint = ValueHint::DirPath)]
        folder: PathBuf,
    },
    /// Put a part of your own in front of a whole component, into one file
    Compose {
        /// What `component build` wrote
        #[arg(value_hint = ValueHint::FilePath)]
        part: PathBuf,
        /// Where to
        #[arg(value_hint = ValueHint::FilePath)]
        output: PathBuf,
        /// The whole component behind it [default: the built-in one]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        behind: Option<PathBuf>,
    },
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

/// `component new`.
#[derive(Args, Debug)]
pub(crate) struct NewComponent {
    /// The language to write it in
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    pub(crate) language: Language,
    /// Its folder, which is not there yet; the last part is its name
    #[arg(value_name = "NAME", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
}

/// A language that components are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Smallest and fastest; needs Rust
    Rust,
    /// Needs componentize-py, which pip installs
    Python,
    /// Needs Node and componentize-js, which npm installs
    Javascript,
}

impl Language {
    /// As it is typed.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::Javascript => "javascript",
        }
    }
}

/// `component check`.
#[derive(Args, Debug)]
pub(crate) struct CheckComponent {
    /// A component [default: the one that runs]
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// The one that runs for this gateway
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub(crate) gateway: Option<String>,
    /// Check only this part of the contract; may be repeated
    #[arg(long = "interface", value_enum, value_name = "NAME")]
    pub(crate) interfaces: Vec<InterfaceName>,
}

/// A part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InterfaceName {
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
    /// What rules think of tools
    Review,
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
            InterfaceName::Review => Self::Review,
            InterfaceName::Sandbox => Self::Sandbox,
        }
    }
}

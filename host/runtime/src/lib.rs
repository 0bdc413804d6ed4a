//! The sandbox: one engine, one component, and instances of it that are bounded in everything.
//! Takes a component and [`Limits`]; gives [`Conversation`]s. Never lets a guest reach anything but the log, the events and egress.

mod advice;
mod bindings;
mod bounds;
mod compile;
mod conversation;
mod describe;
mod digests;
mod engine;
mod error;
mod inspect;
mod kind;
mod limits;
mod load;
mod meter;
mod output;
mod product;
mod source;
mod state;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, LazyLock, OnceLock, Weak},
};

use pflow_gateway_base::sync::Mutex;
use wasmtime::{
    Engine,
    component::{HasSelf, Linker},
};

use self::{bindings::ContractPre, state::State};
pub use self::{
    bindings::{calls, discovery, filter, health, products, review, types},
    compile::{child as compile_for_parent, set_compiler},
    conversation::Conversation,
    describe::Description,
    error::{CompileError, EngineError, Failure, LoadError, ProductsError, Stopped, Structure, Unfit},
    inspect::{Anatomy, CONTRACT, PACKAGE},
    kind::Kind,
    limits::Limits,
    load::{Packaged as PackagedCode, Store as CodeStore},
    meter::LimitReached,
    product::{Absence, Liveness, Product, StdioStart},
    source::Source,
    state::Events,
};
pub use self::{meter::seconds, source::read};
use pflow_gateway_base::digest::sha256;

/// The component that is part of this program.
pub const BUILT_IN: &[u8] = include_bytes!(env!("BUILTIN_COMPONENT"));

/// SHA-256 of it, lower-case hex. The build looked at it; a program need not look at itself again.
const BUILT_IN_SHA256: &str = env!("BUILTIN_SHA256");

const BUILT_IN_NAME: &str = "built-in";

/// What is in use: process, digest (none: built in), limits.
type Shared = HashMap<(u32, Option<String>, Limits), Weak<Runtime>>;

static SHARED: LazyLock<Mutex<Shared>> = LazyLock::new(Mutex::default);

static PACKAGED: OnceLock<PackagedCode> = OnceLock::new();

/// Says where the machine code is that was made while packaging, and which it is: the digest is part of the program, so that nothing
/// beside it has to be trusted. The first word counts; without one, code is compiled once and kept in the user's cache.
pub fn set_packaged_code(packaged: PackagedCode) {
    let _ = PACKAGED.set(packaged);
}

static COMPILING: OnceLock<fn(usize)> = OnceLock::new();

/// Tells who watches that a component of so many bytes is being compiled, which takes seconds when it is large and is done once. The
/// first listener counts.
pub fn on_compiling(listener: fn(usize)) {
    let _ = COMPILING.set(listener);
}

fn packaged() -> Option<PackagedCode> {
    PACKAGED.get().cloned()
}

/// An engine, one component compiled for it, and the limits that every instance is held to. One per component and
/// process is enough; gateways share it.
pub struct Runtime {
    contract: ContractPre<State>,
    limits: Limits,
    /// Lower-case hex.
    sha256: String,
    /// Of the built-in one only when somebody wants to see it.
    anatomy: OnceLock<Anatomy>,
    source: String,
    /// What the component knows of products, once somebody wanted to know.
    products: tokio::sync::OnceCell<Result<Vec<Product>, ProductsError>>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("source", &self.source).field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

impl Runtime {
    /// The component from there, with the default limits.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no component, does not fit the contract, or is not what was installed.
    pub fn new(source: &Source) -> Result<Arc<Self>, LoadError> {
        Self::with(source, Limits::default(), &CodeStore::of_this_process())
    }

    /// As [`with`](Self::with), with the code of this process; the same one for all who ask for the same while somebody has it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn shared(source: &Source, limits: &Limits) -> Result<Arc<Self>, LoadError> {
        let bytes = source.read()?;
        // By what it holds and not by its name: a file may have been built again. The process is part of it, since the threads that
        // enforce deadlines do not survive a fork.
        let key = (std::process::id(), bytes.as_deref().map(sha256), limits.clone());
        let mut shared = SHARED.lock();
        if let Some(runtime) = shared.get(&key).and_then(Weak::upgrade) {
            return Ok(runtime);
        }
        let runtime = Self::of(bytes.as_deref(), source, limits.clone(), &CodeStore::of_this_process())?;
        shared.retain(|_, runtime| runtime.strong_count() > 0);
        shared.insert(key, Arc::downgrade(&runtime));
        Ok(runtime)
    }

    /// As [`new`](Self::new), with everything given.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with(source: &Source, limits: Limits, code: &CodeStore) -> Result<Arc<Self>, LoadError> {
        Self::of(source.read()?.as_deref(), source, limits, code)
    }

    fn of(bytes: Option<&[u8]>, source: &Source, limits: Limits, code: &CodeStore) -> Result<Arc<Self>, LoadError> {
        match bytes {
            Some(bytes) => Self::from_bytes(bytes, source.shown(), limits, code),
            None => Self::built_in(limits, code),
        }
    }

    /// That it fits is for the tests to see, not for every start.
    fn built_in(limits: Limits, code: &CodeStore) -> Result<Arc<Self>, LoadError> {
        let (sha256, source) = (BUILT_IN_SHA256.to_owned(), BUILT_IN_NAME.to_owned());
        Self::loaded(BUILT_IN, sha256, OnceLock::new(), source, limits, code)
    }

    fn from_bytes(bytes: &[u8], source: String, limits: Limits, code: &CodeStore) -> Result<Arc<Self>, LoadError> {
        let anatomy = Anatomy::read(bytes)
            .and_then(|anatomy| anatomy.check().map(|()| anatomy))
            .map_err(|unfit| LoadError::Unfit { component: source.clone(), source: unfit })?;
        Self::loaded(bytes, anatomy.sha256.clone(), OnceLock::from(anatomy), source, limits, code)
    }

    fn loaded(
        bytes: &[u8],
        sha256: String,
        anatomy: OnceLock<Anatomy>,
        source: String,
        limits: Limits,
        code: &CodeStore,
    ) -> Result<Arc<Self>, LoadError> {
        let engine = engine::engine(&limits)?;
        let component = load::load(&engine, bytes, &sha256, limits.stack, code)?;
        let fits = |e: wasmtime::Error| LoadError::Unlinkable { component: source.clone(), source: e };
        let linker = linker(&engine).map_err(fits)?;
        let contract = ContractPre::new(linker.instantiate_pre(&component).map_err(fits)?).map_err(fits)?;
        Ok(Arc::new(Self { contract, limits, sha256, anatomy, source, products: tokio::sync::OnceCell::new() }))
    }

    /// Writes the machine code of the built-in component to `file`, to be shipped beside the program; gives its SHA-256, which the
    /// program that shall use it has to carry ([`set_packaged_code`]).
    ///
    /// # Errors
    ///
    /// The file cannot be written, or the built-in component does not compile.
    pub fn precompile(file: &Path) -> Result<String, LoadError> {
        load::precompile(&engine::engine(&Limits::default())?, BUILT_IN, file)
    }

    /// The outside of what is loaded.
    #[must_use]
    pub fn anatomy(&self) -> &Anatomy {
        // Only the built-in component is not known yet, and the tests have seen that it can be read.
        self.anatomy.get_or_init(|| Anatomy::read(BUILT_IN).unwrap_or_else(|_| Anatomy::unknown(&self.sha256)))
    }

    /// Whether it is the component that is part of this program.
    pub fn is_built_in(&self) -> bool {
        self.source == BUILT_IN_NAME
    }

    /// Lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// As in messages: `built-in`, or the file.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What is loaded.
    #[must_use]
    pub fn describe(&self) -> Description {
        let anatomy = self.anatomy();
        Description {
            source: self.source.clone(),
            sha256: self.sha256.clone(),
            package: PACKAGE.into(),
            version: anatomy.contract().unwrap_or_default().into(),
            size: anatomy.size,
            imports: anatomy.imports.clone(),
            exports: anatomy.exports.clone(),
            limits: self.limits.to_json(),
        }
    }
}

/// All of WASI 0.2, since toolchains import all of it, over a context that holds nothing; HTTP through our hooks; our own two.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    bindings::log::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    bindings::events::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    types::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

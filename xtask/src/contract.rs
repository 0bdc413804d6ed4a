//! The contract as text: the reference page from the comments of `wit/gateway.wit`, and what of it must not change.
//! Takes WIT folders; writes the generated part of `docs/reference/contract.md`, and compares resolved packages, so that a comment may be
//! mended and nothing else.

use std::{fmt::Write as _, fs, path::Path};

use wit_parser::{
    Docs, Function, Handle, Interface, InterfaceId, PackageId, Resolve, Type, TypeDef, TypeDefKind, TypeId,
};
#[cfg(test)]
use wit_parser::{WorldItem, WorldKey};

use crate::shell::{Doing as _, Failure, Result, root, say};

const PAGE: &str = "docs/reference/contract.md";
const BEGIN: &str = "<!-- From the comments of wit/gateway.wit: `cargo xtask contract` writes this part. -->";
const END: &str = "<!-- The end of what `cargo xtask contract` writes. -->";

/// Writes the page anew, or says that it is not what it should be.
pub(crate) fn contract(check: bool) -> Result {
    let page = root().join(PAGE);
    let wanted = wanted(&page)?;
    if read(&page)? == wanted {
        return Ok(());
    }
    if check {
        return Err(Failure(format!("{PAGE} is not what wit/gateway.wit says: run cargo xtask contract")));
    }
    fs::write(&page, wanted).doing(format!("cannot write {}", page.display()))?;
    say(format!("{PAGE} is written anew"));
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).doing(format!("cannot read {}", file.display()))
}

/// The page with its generated part as it should be.
fn wanted(page: &Path) -> Result<String> {
    let text = read(page)?;
    let marks = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        marks.ok_or_else(|| Failure(format!("{PAGE} has lost the marks around its generated part")))?;
    let contract = Contract::of(&root().join("wit"))?;
    Ok(format!("{before}{BEGIN}\n\n{}{END}{after}", contract.page()))
}

/// The package `pflow:gateway`, resolved.
struct Contract {
    resolve: Resolve,
    package: PackageId,
}

impl Contract {
    /// Of a folder with `gateway.wit` and `deps`.
    fn of(folder: &Path) -> Result<Self> {
        let mut resolve = Resolve::default();
        let (package, _) =
            resolve.push_dir(folder).map_err(|error| Failure(format!("{}: {error:#}", folder.display())))?;
        Ok(Self { resolve, package })
    }

    /// Its interfaces, in the order of the file, and what is in its world.
    fn interfaces(&self) -> impl Iterator<Item = (InterfaceId, &Interface)> {
        let package = self.resolve.packages.get(self.package);
        let ids = package.into_iter().flat_map(|package| package.interfaces.values().copied());
        ids.filter_map(|id| Some((id, self.resolve.interfaces.get(id)?)))
    }

    fn type_def(&self, id: TypeId) -> Option<&TypeDef> {
        self.resolve.types.get(id)
    }

    /// The reference: everything with its comment.
    fn page(&self) -> String {
        let mut page = String::new();
        let package = self.resolve.packages.get(self.package);
        if let Some(package) = package {
            paragraphs(&mut page, &package.docs, "##");
        }
        for (_, interface) in self.interfaces() {
            let name = interface.name.as_deref().unwrap_or_default();
            let _ = writeln!(page, "### `{name}`\n");
            paragraphs(&mut page, &interface.docs, "####");
            for (name, id) in &interface.types {
                let Some(def) = self.type_def(*id) else { continue };
                // Another interface's type under its own name.
                if matches!(&def.kind, TypeDefKind::Type(Type::Id(_))) {
                    continue;
                }
                self.type_on_page(&mut page, name, def);
                let own = |function: &&Function| function.kind.resource() == Some(*id);
                for function in interface.functions.values().filter(own) {
                    self.function_on_page(&mut page, function);
                }
            }
            for function in interface.functions.values().filter(|function| function.kind.resource().is_none()) {
                self.function_on_page(&mut page, function);
            }
        }
        page
    }

    fn type_on_page(&self, page: &mut String, name: &str, def: &TypeDef) {
        let _ = writeln!(page, "#### {} `{name}`{}\n", kind(def), self.alias(def));
        paragraphs(page, &def.docs, "#####");
        let rows = self.rows(def);
        if rows.is_empty() {
            return;
        }
        let typed = rows.iter().any(|row| !row.ty.is_empty());
        page.push_str(if typed { "| | type | |\n| --- | --- | --- |\n" } else { "| | |\n| --- | --- |\n" });
        for row in rows {
            let docs = row.docs.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
            let ty = match (typed, row.ty.is_empty()) {
                (false, _) => String::new(),
                (true, true) => " |".to_owned(),
                (true, false) => format!(" `{}` |", row.ty),
            };
            let _ = writeln!(page, "| `{}` |{ty} {docs} |", row.name);
        }
        page.push('\n');
    }

    fn function_on_page(&self, page: &mut String, function: &Function) {
        let _ = writeln!(page, "#### `{}`\n", self.signature(function));
        paragraphs(page, &function.docs, "#####");
    }

    /// Fields, cases, flags.
    fn rows<'a>(&self, def: &'a TypeDef) -> Vec<Row<'a>> {
        let row = |name: &'a str, ty: String, docs: &'a Docs| Row {
            name,
            ty,
            docs: docs.contents.as_deref().unwrap_or_default(),
        };
        match &def.kind {
            TypeDefKind::Record(record) => {
                record.fields.iter().map(|field| row(&field.name, self.name(&field.ty), &field.docs)).collect()
            }
            TypeDefKind::Variant(variant) => {
                let ty = |ty: &Option<Type>| ty.as_ref().map(|ty| self.name(ty)).unwrap_or_default();
                variant.cases.iter().map(|case| row(&case.name, ty(&case.ty), &case.docs)).collect()
            }
            TypeDefKind::Enum(cases) => {
                cases.cases.iter().map(|case| row(&case.name, String::new(), &case.docs)).collect()
            }
            TypeDefKind::Flags(flags) => {
                flags.flags.iter().map(|flag| row(&flag.name, String::new(), &flag.docs)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn alias(&self, def: &TypeDef) -> String {
        let is_own = matches!(
            def.kind,
            TypeDefKind::Record(_)
                | TypeDefKind::Variant(_)
                | TypeDefKind::Enum(_)
                | TypeDefKind::Flags(_)
                | TypeDefKind::Resource
        );
        if is_own { String::new() } else { format!(" = `{}`", self.kind_name(&def.kind)) }
    }

    /// `call-tool: func(…) -> …`.
    fn signature(&self, function: &Function) -> String {
        let (prefix, name) = match function.kind.resource() {
            Some(_) => ("conversation.", function.item_name()),
            None => ("", function.name.as_str()),
        };
        let is_method = function.params.first().is_some_and(|param| param.name == "self");
        let params = function.params.iter().skip(usize::from(is_method));
        let params: Vec<String> = params.map(|param| format!("{}: {}", param.name, self.name(&param.ty))).collect();
        let statics = if function.kind.resource().is_some() && !is_method { "static " } else { "" };
        let result = function.result.as_ref().map_or_else(String::new, |ty| format!(" -> {}", self.name(ty)));
        format!("{prefix}{name}: {statics}func({}){result}", params.join(", "))
    }

    fn name(&self, ty: &Type) -> String {
        let simple = match ty {
            Type::Id(id) => {
                let Some(def) = self.type_def(*id) else { return String::new() };
                return def.name.clone().unwrap_or_else(|| self.kind_name(&def.kind));
            }
            Type::Bool => "bool",
            Type::U8 => "u8",
            Type::U16 => "u16",
            Type::U32 => "u32",
            Type::U64 => "u64",
            Type::S8 => "s8",
            Type::S16 => "s16",
            Type::S32 => "s32",
            Type::S64 => "s64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Char => "char",
            Type::String => "string",
            Type::ErrorContext => "error-context",
        };
        simple.to_owned()
    }

    fn kind_name(&self, kind: &TypeDefKind) -> String {
        let part = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), |ty| self.name(ty));
        match kind {
            TypeDefKind::Option(ty) => format!("option<{}>", self.name(ty)),
            TypeDefKind::List(ty) => format!("list<{}>", self.name(ty)),
            TypeDefKind::Result(result) => match (&result.ok, &result.err) {
                (ok, None) => format!("result<{}>", part(ok)),
                (ok, err) => format!("result<{}, {}>", part(ok), part(err)),
            },
            TypeDefKind::Tuple(tuple) => {
                let types: Vec<String> = tuple.types.iter().map(|ty| self.name(ty)).collect();
                format!("tuple<{}>", types.join(", "))
            }
            TypeDefKind::Handle(Handle::Own(id)) => self.name(&Type::Id(*id)),
            TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", self.name(&Type::Id(*id))),
            TypeDefKind::Type(ty) => self.name(ty),
            other => other.as_str().to_owned(),
        }
    }

    /// Everything that a component or a host would notice, and no comment. Order counts, and so does from where a type is.
    #[cfg(test)]
    fn shape(&self) -> String {
        let mut shape = String::new();
        for (_, interface) in self.interfaces() {
            let _ = writeln!(
                shape,
                "interface {} {}",
                interface.name.as_deref().unwrap_or_default(),
                since(&interface.stability)
            );
            for (name, id) in &interface.types {
                let Some(def) = self.type_def(*id) else { continue };
                let _ = writeln!(shape, "  {} {name}{} {}", kind(def), self.alias(def), since(&def.stability));
                for row in self.rows(def) {
                    let _ = writeln!(shape, "    {}: {}", row.name, row.ty);
                }
            }
            for function in interface.functions.values() {
                let _ = writeln!(shape, "  {} {}", self.signature(function), since(&function.stability));
            }
        }
        let package = self.resolve.packages.get(self.package);
        for (name, id) in package.into_iter().flat_map(|package| &package.worlds) {
            let Some(world) = self.resolve.worlds.get(*id) else { continue };
            let _ = writeln!(shape, "world {name} {}", since(&world.stability));
            for (what, items) in [("import", &world.imports), ("export", &world.exports)] {
                let mut names: Vec<String> = items.iter().map(|(key, item)| self.item(key, item)).collect();
                // What an interface needs is imported by itself, in no order that anybody wrote.
                names.sort();
                for name in names {
                    let _ = writeln!(shape, "  {what} {name}");
                }
            }
        }
        shape
    }

    #[cfg(test)]
    fn item(&self, key: &WorldKey, item: &WorldItem) -> String {
        let name = self.resolve.name_world_key(key);
        match item {
            WorldItem::Interface { stability, .. } => format!("{name} {}", since(stability)),
            WorldItem::Function(function) => format!("{name}: {}", self.signature(function)),
            WorldItem::Type { .. } => name,
        }
    }
}

/// One field, case or flag.
struct Row<'a> {
    name: &'a str,
    ty: String,
    docs: &'a str,
}

fn kind(def: &TypeDef) -> &'static str {
    match &def.kind {
        TypeDefKind::Record(_)
        | TypeDefKind::Variant(_)
        | TypeDefKind::Enum(_)
        | TypeDefKind::Flags(_)
        | TypeDefKind::Resource => def.kind.as_str(),
        _ => "type",
    }
}

#[cfg(test)]
fn since(stability: &wit_parser::Stability) -> String {
    match stability {
        wit_parser::Stability::Stable { since, .. } => format!("since {since}"),
        _ => String::new(),
    }
}

/// A comment, its lines joined to paragraphs, with headings one level below this one.
fn paragraphs(page: &mut String, docs: &Docs, level: &str) {
    let Some(text) = docs.contents.as_deref() else { return };
    for paragraph in text.trim().split("\n\n") {
        let line = paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        match line.strip_prefix("# ") {
            Some(heading) => {
                let _ = writeln!(page, "{level} {heading}\n");
            }
            None => {
                let _ = writeln!(page, "{line}\n");
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn versions() -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> =
            fs::read_dir(root().join("wit/versions")).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders
    }

    /// A folder of the frozen text, with what it refers to.
    fn frozen(version: &Path) -> (tempfile::TempDir, Contract) {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(version.join("gateway.wit"), folder.path().join("gateway.wit")).unwrap();
        copy(&root().join("wit/deps"), &folder.path().join("deps"));
        let contract = Contract::of(folder.path()).unwrap_or_else(|error| panic!("{error}"));
        (folder, contract)
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let new = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &new);
            } else {
                fs::copy(entry.path(), new).map(drop).unwrap();
            }
        }
    }

    fn version(contract: &Contract) -> String {
        contract.resolve.packages.get(contract.package).unwrap().name.version.as_ref().unwrap().to_string()
    }

    #[test]
    fn the_page_is_what_the_comments_say() {
        contract(true).unwrap_or_else(|error| panic!("{error}"));
    }

    #[test]
    fn the_contract_does_not_change_without_its_version() {
        let now = Contract::of(&root().join("wit")).unwrap_or_else(|error| panic!("{error}"));
        let number = version(&now);
        let folder = root().join("wit/versions").join(&number);
        assert!(folder.exists(), "{number} is not frozen: copy wit/gateway.wit to {}", folder.display());
        let (_files, then) = frozen(&folder);
        assert!(
            now.shape() == then.shape(),
            "wit/gateway.wit is another contract than wit/versions/{number}. A comment may be mended; what else differs makes a new version \
             (docs/reference/contract.md says which), frozen in a folder of its own:\n{}",
            difference(&then.shape(), &now.shape())
        );
    }

    #[test]
    fn each_frozen_folder_is_the_version_that_it_is_called() {
        for folder in versions() {
            let (_files, contract) = frozen(&folder);
            assert_eq!(folder.file_name().unwrap().to_str(), Some(version(&contract).as_str()));
        }
    }

    /// The check itself: a comment counts for nothing, and everything else does.
    #[test]
    fn a_comment_may_be_mended_and_nothing_else() {
        let text = fs::read_to_string(root().join("wit/gateway.wit")).unwrap();
        let shape = |text: &str| {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("gateway.wit"), text).unwrap();
            copy(&root().join("wit/deps"), &folder.path().join("deps"));
            Contract::of(folder.path()).unwrap_or_else(|error| panic!("{error}")).shape()
        };
        let before = shape(&text);
        assert_eq!(shape(&text.replace("/// A program's name and version", "/// Another comment")), before);
        for (from, to) in [
            ("max-pages: u32,", "max-pages: u64,"),
            ("legacy,", "old,"),
            ("        timeout,\n        unreachable,", "        unreachable,\n        timeout,"),
            ("close: func() -> result<_, failure>;", "close: func();"),
            ("    @since(version = 0.2.0)\n    export review;", "    @since(version = 0.1.9)\n    export review;"),
            ("    import events;", ""),
            ("other(string),", "other(u32),"),
            ("original-name,\n    }", "}"),
        ] {
            assert!(text.contains(from), "{from}");
            let changed = if to.is_empty() {
                text.replace("    @since(version = 0.2.0)\n    import events;\n", "")
            } else {
                text.replacen(from, to, 1)
            };
            assert_ne!(shape(&changed), before, "{from} -> {to}");
        }
    }

    fn difference(then: &str, now: &str) -> String {
        let lines = |text: &str, other: &str, sign: char| {
            text.lines()
                .filter(|line| !other.lines().any(|known| known == *line))
                .fold(String::new(), |lines, line| lines + &format!("{sign} {line}\n"))
        };
        format!("{}{}", lines(then, now, '-'), lines(now, then, '+'))
    }
}

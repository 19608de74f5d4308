//! Which file imports which, read from the syntax of what ships: a name counts for the file that
//! defines it, through any number of re-exports. No files may import each other in a circle, and
//! docs/imports.md is drawn from here.
//!
//! What a file takes from those above it (`a/b.rs` from `a.rs`) does not count: these hold what the
//! files of a folder share, and `impl` blocks of one type stand in several files below its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use syn::visit::{self, Visit};

/// How docs/imports.md begins.
const HEAD: &str = "\
# Which room imports which

A room is a folder of `src`; an arrow points from the room that imports to the one that defines. A
test draws this page from the source and holds that no files import each other in a circle.

- To draw it anew: `UPDATE_GOLDENS=1 cargo test --test it -- drawing_of_imports`
- To draw the files of one room, such as `store`, for Graphviz's `dot`:
  `IMPORTS_OF=store cargo test --test it -- drawing_of_imports --nocapture`

```mermaid
flowchart TD
";

/// The names that one file imports from another, by the two files.
type Imports = BTreeMap<(String, String), BTreeSet<String>>;

/// What a file defines and imports; its module path is its place below `src`.
#[derive(Default)]
struct Module {
    path: Vec<String>,
    defined: BTreeSet<String>,
    /// The paths behind names that `use` brings in.
    used: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// Paths in code, in macros and in `use` that hands nothing on.
    named: Vec<Vec<String>>,
}

impl Module {
    /// Reads a file, whose path below `src` is `path` without its ending.
    fn new(path: &str, text: &str) -> Self {
        let file = syn::parse_file(text).unwrap_or_else(|error| panic!("src/{path}.rs: {error}"));
        let mut module = Self::default();
        if path != "lib" {
            module.path = path.split('/').map(str::to_owned).collect();
        }
        module.visit_file(&file);
        module
    }

    fn file(&self) -> String {
        if self.path.is_empty() { "lib".to_owned() } else { self.path.join("/") }
    }

    fn add_use(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_use(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.used.insert(prefix.last().unwrap().clone(), prefix.to_vec());
            }
            syn::UseTree::Name(name) => {
                self.used.insert(name.ident.to_string(), with(&name.ident));
            }
            syn::UseTree::Rename(rename) => {
                let path =
                    if rename.ident == "self" { prefix.to_vec() } else { with(&rename.ident) };
                self.used.insert(rename.rename.to_string(), path);
            }
            syn::UseTree::Glob(_) => self.globs.push(prefix.to_vec()),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_use(prefix, tree));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let (attributes, name) = match item {
            syn::Item::Const(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            syn::Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            syn::Item::Mod(item) => (&item.attrs, None),
            syn::Item::Static(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Type(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Use(item) => (&item.attrs, None),
            syn::Item::Impl(item) => (&item.attrs, None),
            _ => panic!("{}: a kind of item that is not known", self.file()),
        };
        let is_test = |attribute: &syn::Attribute| {
            matches!(&attribute.meta, syn::Meta::List(list)
                if list.path.is_ident("cfg") && list.tokens.to_string() == "test")
        };
        if attributes.iter().any(is_test) {
            return;
        }
        self.defined.extend(name.map(ToString::to_string));
        if let syn::Item::Use(item) = item {
            let mut used = Self { path: self.path.clone(), ..Self::default() };
            used.add_use(&[], &item.tree);
            if matches!(item.vis, syn::Visibility::Inherited) {
                self.named.extend(used.used.values().cloned());
            }
            self.used.extend(used.used);
            self.globs.extend(used.globs);
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.named.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let code = item.tokens.to_string().replace(" :: ", "::");
        let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
        let paths = words.filter(|word| word.contains("::"));
        self.named.extend(paths.map(|path| path.split("::").map(str::to_owned).collect()));
        visit::visit_macro(self, item);
    }
}

/// The modules of the crate by their paths.
struct Tree(BTreeMap<Vec<String>, Module>);

impl Tree {
    fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let modules = files.into_iter().map(|(path, text)| Module::new(&path, &text));
        Self(modules.map(|module| (module.path.clone(), module)).collect())
    }

    /// Every file that ships, but `main`, which is a crate of its own.
    fn of_sources() -> Self {
        let ships = |source: &super::Source| !source.is_test() && source.path != "main";
        let files = super::sources().into_iter().filter(ships);
        Self::new(files.map(|source| (source.path, source.lines.join("\n"))))
    }

    /// The file that defines what `path` names in `module`, and the name; `None` for other crates,
    /// and for a module as a whole.
    fn definer(&self, module: &Module, path: &[String]) -> Option<(&Module, String)> {
        let mut at = module.path.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => drop(at.pop()),
            first => {
                let child = [&at[..], &[first.to_owned()]].concat();
                // A module may bear the name of an item that is used out of it.
                if !self.0.contains_key(&child) {
                    let used = module.used.get(first).filter(|used| used[0] != first)?;
                    return self.definer(module, &[used, &rest[1..]].concat());
                }
                at = child;
            }
        }
        rest = &rest[1..];
        while let Some((first, more)) = rest.split_first() {
            let child = [&at[..], std::slice::from_ref(first)].concat();
            if first == "super" {
                at.pop();
            } else if self.0.contains_key(&child) {
                at = child;
            } else {
                return self.exporter(&at, first, more);
            }
            rest = more;
        }
        None
    }

    /// The file that defines `name`, which the module at `at` defines or hands on.
    fn exporter(&self, at: &[String], name: &str, more: &[String]) -> Option<(&Module, String)> {
        let module = self.0.get(at)?;
        if module.defined.contains(name) {
            return Some((module, name.to_owned()));
        }
        if let Some(used) = module.used.get(name) {
            return self.definer(module, &[used, more].concat());
        }
        let through = |glob: &Vec<String>| {
            let path = [&glob[..], &[name.to_owned()]].concat();
            self.definer(module, &path)
        };
        module.globs.iter().find_map(through)
    }

    fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for module in self.0.values() {
            for path in &module.named {
                if let Some((definer, name)) = self.definer(module, path)
                    && !module.path.starts_with(&definer.path)
                {
                    let names = imports.entry((module.file(), definer.file())).or_default();
                    names.insert(name);
                }
            }
        }
        imports
    }
}

/// The groups of files that import each other, each with what ties it.
fn circles(imports: &Imports) -> Vec<String> {
    let reach = |start: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start.to_owned()]);
        while let Some(file) = open.pop() {
            for (_, to) in imports.keys().filter(|(from, _)| *from == file) {
                if seen.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        seen
    };
    let files: BTreeSet<&String> = imports.keys().map(|(from, _)| from).collect();
    let reached: BTreeMap<&String, _> = files.iter().map(|file| (*file, reach(file))).collect();
    let is_tied = |a: &String, b: &String| {
        reached[a].contains(b) && reached.get(b).is_some_and(|back| back.contains(a))
    };
    let mut told = BTreeSet::<&String>::new();
    let mut circles = Vec::new();
    for file in files.iter().filter(|file| reached[**file].contains(**file)) {
        if told.contains(file) {
            continue;
        }
        let mut text = format!("files that import each other, with {file}:\n");
        for ((from, to), names) in imports {
            if is_tied(file, from) && is_tied(file, to) {
                let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                _ = writeln!(text, "  src/{from}.rs -> src/{to}.rs: {names}");
                told.extend(files.iter().filter(|file| [from, to].contains(file)));
            }
        }
        circles.push(text);
    }
    circles
}

#[test]
fn no_files_import_each_other() {
    let circles = circles(&Tree::of_sources().imports());
    assert!(circles.is_empty(), "{} circles\n{}", circles.len(), circles.join("\n"));
}

/// The look at the source sees circles, through re-exports and macros, and nothing else.
#[test]
fn circles_are_seen() {
    let check = |files: &[(&str, &str)], want: usize| {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let found = circles(&Tree::new(files).imports());
        assert_eq!(found.len(), want, "{found:?}");
    };
    let a = ("a", "use crate::b::two; pub fn one() {}");
    check(&[a, ("b", "pub fn two() {}")], 0);
    check(&[a, ("b", "use crate::a::one; pub fn two() {}")], 1);
    check(&[a, ("b", "pub fn two() { crate::a::one() }")], 1);
    check(&[a, ("b", "pub fn two() { println!(\"{}\", super::a::one()) }")], 1);
    check(&[a, ("b", "pub fn two() {}\n#[cfg(test)]\nmod tests { use crate::a::one; }")], 0);
    // What `b` only hands on is of `b/c`, which may take what `b` defines.
    let c = ("b/c", "use crate::a::one; pub fn two() {}");
    check(&[a, ("b", "mod c; pub use c::two;"), c], 1);
    let c = ("b/c", "use super::three; pub fn two() {}");
    check(&[a, ("b", "mod c; pub use c::two; pub fn three() { two() }"), c], 0);
}

/// The room of a file: its folder at the top.
fn room(file: &str) -> &str {
    file.split('/').next().unwrap_or(file)
}

#[test]
fn the_drawing_of_imports_is_up_to_date() {
    let mut rooms: BTreeSet<(String, String)> = BTreeSet::new();
    let mut inside: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (from, to) in Tree::of_sources().imports().into_keys() {
        if room(&from) == room(&to) {
            inside.entry(room(&from).to_owned()).or_default().push((from, to));
        } else {
            rooms.insert((room(&from).to_owned(), room(&to).to_owned()));
        }
    }
    let mut text = HEAD.to_owned();
    for (from, to) in rooms {
        _ = writeln!(text, "  {from} --> {to}");
    }
    text.push_str("```\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/imports.md");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, golden, "docs/imports.md (UPDATE_GOLDENS=1 writes it)");
    if let Ok(wanted) = std::env::var("IMPORTS_OF") {
        println!("digraph {wanted} {{\n  rankdir=LR\n  node [shape=box]");
        for (from, to) in inside.remove(&wanted).unwrap_or_default() {
            println!("  \"{from}\" -> \"{to}\"");
        }
        println!("}}");
    }
}

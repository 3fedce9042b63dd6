//! Reads the sources of a crate, from `lib.rs` along its `mod` declarations, into a [`House`].

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ExprPath, Item, ItemExternCrate, ItemMod, ItemType, ItemUse, Type, UseTree, Visibility};

use super::house::{House, Id, Mention, Names, ROOT};
use super::syntax::{defines, is_for_tests, names, path_attribute};

/// Reads all of it into a house that has its root.
///
/// # Panics
/// A file is missing or is no Rust.
pub fn read(house: &mut House, source: &dyn Fn(&str) -> Option<String>) {
    let mut reader = Reader { house, source, module: ROOT, folder: "src".to_owned(), test: false };
    reader.file("src/lib.rs");
}

struct Reader<'a> {
    house: &'a mut House,
    source: &'a dyn Fn(&str) -> Option<String>,
    module: Id,
    /// Where the files of this module's children are.
    folder: String,
    test: bool,
}

impl Reader<'_> {
    fn file(&mut self, file: &str) {
        let code = (self.source)(file).unwrap_or_else(|| panic!("no {file}"));
        let code = syn::parse_file(&code).unwrap_or_else(|e| panic!("{file}: {e}"));
        self.visit_file(&code);
    }

    /// Where a `mod name;` is written, and the folder of its children.
    fn look_for(&self, item: &ItemMod) -> (String, String) {
        let name = item.ident.to_string();
        let folder = format!("{}/{name}", self.folder);
        if let Some(path) = item.attrs.iter().find_map(path_attribute) {
            let here = self.house.modules[self.module].file.rsplit_once('/').map_or("", |(folder, _)| folder);
            return (format!("{here}/{path}"), here.to_owned());
        }
        let flat = format!("{folder}.rs");
        let nested = format!("{folder}/mod.rs");
        (if (self.source)(&flat).is_some() { flat } else { nested }, folder)
    }

    fn mention(&mut self, path: Names, span: Span, handed_on: bool) {
        if path.first().is_some_and(|first| first != "Self") {
            let mention = Mention { module: self.module, path, test: self.test, handed_on };
            self.house.mentions.entry(mention).or_insert(span.start().line);
        }
    }

    fn uses(&mut self, before: &[String], tree: &UseTree, handed_on: bool) {
        let with = |name: &Ident| [before, &[name.to_string()]].concat();
        let (path, span, alias) = match tree {
            UseTree::Path(path) => return self.uses(&with(&path.ident), &path.tree, handed_on),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.uses(before, tree, handed_on));
            }
            UseTree::Glob(glob) => {
                self.house.modules[self.module].globs.push(before.to_vec());
                (before.to_vec(), glob.star_token.spans[0], None)
            }
            // `a::{self}` is `a`.
            UseTree::Name(name) if name.ident == "self" => (before.to_vec(), name.ident.span(), before.last().cloned()),
            UseTree::Rename(name) if name.ident == "self" => {
                (before.to_vec(), name.ident.span(), Some(name.rename.to_string()))
            }
            UseTree::Name(name) => (with(&name.ident), name.ident.span(), Some(name.ident.to_string())),
            UseTree::Rename(name) => (with(&name.ident), name.ident.span(), Some(name.rename.to_string())),
        };
        if let Some(alias) = alias {
            self.house.modules[self.module].aliases.insert(alias, path.clone());
        }
        self.mention(path, span, handed_on);
    }

    /// Paths in a macro, which has no syntax but its own.
    fn tokens(&mut self, before: &[String], tokens: TokenStream) {
        let mut path = Names::new();
        let mut at = Span::call_site();
        let (mut colons, mut field) = (0, false);
        for token in tokens {
            match token {
                TokenTree::Punct(p) if p.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 || path.is_empty() {
                        self.mention(std::mem::take(&mut path), at, false);
                        path = before.to_vec();
                        at = ident.span();
                    }
                    // What follows a dot is a field or a method.
                    if !field {
                        path.push(ident.to_string());
                    }
                    (colons, field) = (0, false);
                }
                TokenTree::Group(group) => {
                    let inside = if colons == 2 { std::mem::take(&mut path) } else { before.to_vec() };
                    self.mention(std::mem::take(&mut path), at, false);
                    self.tokens(&inside, group.stream());
                    colons = 0;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    // The second dot of a range is none before a field.
                    field = matches!(&token, TokenTree::Punct(p) if p.as_char() == '.' && !field);
                    self.mention(std::mem::take(&mut path), at, false);
                    colons = 0;
                }
            }
        }
        self.mention(path, at, false);
    }
}

/// What is under `cfg(test)` ends with the node that bears the attribute.
macro_rules! scoped {
    ($($visit:ident: $node:ident),*) => {
        $(fn $visit(&mut self, node: &'ast syn::$node) {
            let before = self.test;
            visit::$visit(self, node);
            self.test = before;
        })*
    };
}

impl<'ast> Visit<'ast> for Reader<'_> {
    scoped! {
        visit_impl_item: ImplItem, visit_trait_item: TraitItem, visit_foreign_item: ForeignItem,
        visit_stmt: Stmt, visit_expr: Expr, visit_arm: Arm, visit_field: Field, visit_field_value: FieldValue,
        visit_variant: Variant, visit_fn_arg: FnArg, visit_generic_param: GenericParam
    }

    fn visit_item(&mut self, item: &'ast Item) {
        let before = self.test;
        if let Some(name) = defines(item) {
            self.house.modules[self.module].items.insert(name.to_string());
        }
        visit::visit_item(self, item);
        self.test = before;
    }

    fn visit_item_extern_crate(&mut self, item: &'ast ItemExternCrate) {
        let path = vec![String::new(), item.ident.to_string()];
        if let Some((_, alias)) = &item.rename {
            self.house.modules[self.module].aliases.insert(alias.to_string(), path.clone());
        }
        self.mention(path, item.ident.span(), false);
    }

    // An attribute is visited before what it is on.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        self.test |= is_for_tests(&attribute.meta);
        visit::visit_attribute(self, attribute);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        item.attrs.iter().for_each(|attribute| self.visit_attribute(attribute));
        let own = self.house.modules[self.module].file.clone();
        let (file, folder) =
            if item.content.is_some() { (own, format!("{}/{}", self.folder, item.ident)) } else { self.look_for(item) };
        let child = self.house.add(Some(self.module), &item.ident.to_string(), &file);
        let outside = (self.module, std::mem::replace(&mut self.folder, folder));
        self.module = child;
        match &item.content {
            Some((_, items)) => items.iter().for_each(|item| self.visit_item(item)),
            None => self.file(&file),
        }
        (self.module, self.folder) = outside;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        item.attrs.iter().for_each(|attribute| self.visit_attribute(attribute));
        let before = item.leading_colon.map(|_| String::new());
        let handed_on = !matches!(item.vis, Visibility::Inherited);
        self.uses(before.as_slice(), &item.tree, handed_on);
    }

    fn visit_item_type(&mut self, item: &'ast ItemType) {
        if let Type::Path(path) = &*item.ty {
            self.house.modules[self.module].aliases.insert(item.ident.to_string(), names(&path.path));
        }
        visit::visit_item_type(self, item);
    }

    // `pub(super)` says who may look in, and looks at nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            self.mention(names(path), first.ident.span(), false);
        }
        visit::visit_path(self, path);
    }

    // `<A>::b` is `A::b`.
    fn visit_expr_path(&mut self, expr: &'ast ExprPath) {
        if let Some(of) = expr.qself.as_ref().filter(|of| of.position == 0)
            && let Type::Path(path) = &*of.ty
        {
            self.mention([names(&path.path), names(&expr.path).split_off(1)].concat(), of.lt_token.span, false);
        }
        visit::visit_expr_path(self, expr);
    }

    fn visit_token_stream(&mut self, tokens: &'ast TokenStream) {
        self.tokens(&[], tokens.clone());
    }
}

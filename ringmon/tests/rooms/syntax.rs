//! Small questions to the syntax of Rust.

use proc_macro2::Ident;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Item, Lit, Meta, MetaList, Token};

use super::house::Names;

/// The name of what an item defines.
pub fn defines(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

/// The names of a path.
pub fn names(path: &syn::Path) -> Names {
    let leading = path.leading_colon.map(|_| String::new());
    leading.into_iter().chain(path.segments.iter().map(|s| s.ident.to_string())).collect()
}

/// The file of `#[path = "file.rs"]`.
pub fn path_attribute(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    match &pair.value {
        Expr::Lit(literal) if pair.path.is_ident("path") => match &literal.lit {
            Lit::Str(file) => Some(file.value()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether this attribute leaves its node out of everything but tests.
pub fn is_for_tests(meta: &Meta) -> bool {
    let Meta::List(list) = meta else { return false };
    list.path.is_ident("cfg") && list.parse_args().is_ok_and(|condition| needs_test(&condition))
}

fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => parts(list).iter().any(needs_test),
        Meta::List(list) if list.path.is_ident("any") => parts(list).iter().all(needs_test),
        _ => false,
    }
}

fn parts(list: &MetaList) -> Vec<Meta> {
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    parts.map(Vec::from_iter).unwrap_or_default()
}

//! How the library's files hang together: imports go down, and never in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The folders of `src`, each with those that it may import from.
const FOLDERS: [(&str, &[&str]); 7] = [
    ("abi", &[]),
    ("error", &["abi"]),
    ("memory", &["abi", "error"]),
    ("chain", &["abi", "error", "memory"]),
    ("set", &["abi", "error", "memory", "chain"]),
    ("slots", &["abi", "error", "memory", "chain", "set"]),
    ("linux", &["abi", "error"]),
];

/// A module, as in `chain::block`, and the modules that its file names after `crate::`.
type Imports = BTreeMap<String, BTreeSet<String>>;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The code of a file: without comments, and without its tests, which may look at anything.
fn code(text: &str) -> String {
    let library = text.split("\n#[cfg(test)]\n").next().unwrap();
    library.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

fn imports() -> Imports {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&src, &mut paths);
    let name = |path: &PathBuf| {
        let path = path.strip_prefix(&src).unwrap().with_extension("");
        path.iter().map(|part| part.to_str().unwrap()).collect::<Vec<_>>().join("::")
    };
    let modules: BTreeSet<String> = paths.iter().map(name).collect();
    let mut imports = Imports::new();
    for path in &paths {
        let this = name(path);
        let text = code(&fs::read_to_string(path).unwrap());
        assert!(!text.contains("use super::{") || this.contains("mock"), "{this}");
        let of_parent = text.match_indices("super::").map(|(at, _)| {
            let parent = this.rsplit_once("::").map_or("", |(parent, _)| parent);
            format!("{parent}::{}", &text[at + "super::".len()..])
        });
        let of_crate = text.match_indices("crate::").map(|(at, _)| text[at + 7..].to_owned());
        let named = of_crate.chain(of_parent).filter_map(|path| {
            // The longest module that the path starts with.
            let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            let mut path = path[..end.unwrap_or(path.len())].trim_end_matches(':');
            while !modules.contains(path) {
                path = path.rsplit_once("::")?.0;
            }
            Some(path.to_owned())
        });
        let named = named.filter(|module| *module != this).collect();
        imports.insert(this, named);
    }
    imports.remove("lib");
    imports
}

#[test]
#[cfg_attr(miri, ignore = "it reads the sources of the library, and runs none of it")]
fn folders_import_downwards_only() {
    let imports = imports();
    assert!(imports.len() > 30, "these are not all files");
    let folder = |module: &str| module.split("::").next().unwrap().to_owned();
    for (module, named) in &imports {
        let here = folder(module);
        let (_, below) = FOLDERS.iter().find(|(name, _)| *name == here).unwrap();
        for other in named.iter().map(|named| folder(named)).filter(|other| *other != here) {
            assert!(below.contains(&other.as_str()), "{module} imports from {other}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "it reads the sources of the library, and runs none of it")]
fn no_two_files_import_each_other_by_however_many_others() {
    let mut left = imports();
    // Takes away what imports nothing that is left, or is imported by none, until there is no more
    // of it: circles stay.
    loop {
        let before = left.len();
        let importing: BTreeSet<String> = left.keys().cloned().collect();
        left.iter_mut().for_each(|(_, named)| named.retain(|named| importing.contains(named)));
        let imported: BTreeSet<String> = left.values().flatten().cloned().collect();
        left.retain(|module, named| !named.is_empty() && imported.contains(module));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "a circle: {left:#?}");
}

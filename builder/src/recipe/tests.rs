//! Recipes in folders made here.

use super::*;

/// A folder with one recipe per role and text.
fn recipes(texts: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (role, text) in texts {
        fs::create_dir(folder.path().join(role)).unwrap();
        fs::write(folder.path().join(role).join("recipe.toml"), text).unwrap();
    }
    folder
}

fn load(folder: &tempfile::TempDir, role: &str, version: &str) -> Result<Recipe, RecipeError> {
    Recipe::load(&folder.path().join(role), &version.parse().unwrap())
}

/// The message without the name of the temporary folder.
fn refusal(text: &str) -> String {
    let folder = recipes(&[("web", text)]);
    let error = load(&folder, "web", "1").unwrap_err();
    assert_eq!(error.exit(), Exit::Input);
    error.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_parent_comes_first_and_lists_grow() {
    let base = "role = 'base'\nsuite = 'bookworm'\npackages = ['systemd', 'udev']\nkernel-arguments = ['a=1']\n\
                persistent = ['/root/', '/etc/hostname']\nslot-size = '2GiB'\nhostname = 'nobody'\n\
                initrd = 'keep'\n[ids.groups]\nstaff = 50\n";
    let web = "role = 'web'\nparent = 'base'\npackages = ['nginx', 'udev']\nkernel-arguments = ['b']\n\
               persistent = ['/etc/hostname', '/etc/nginx/site/']\nslot-size = '4GiB'\n\
               [version.'D12-2']\npackages = ['curl']\nkernel-arguments = ['c']\n[ids.users]\nsshd = { uid = 105 }\n";
    let folder = recipes(&[("base", base), ("web", web)]);
    fs::create_dir_all(folder.path().join("base/files")).unwrap();
    fs::create_dir_all(folder.path().join("web/versions/D12-2/health.d")).unwrap();

    let recipe = load(&folder, "web", "D12-2").unwrap();
    let packages: Vec<_> = recipe.packages.iter().map(Package::as_str).collect();
    assert_eq!(packages, ["systemd", "udev", "nginx", "curl"]);
    assert_eq!(recipe.options(), "a=1 b c");
    let persistent: Vec<_> = recipe.persistent.iter().map(|p| (p.path.as_str(), p.folder)).collect();
    assert_eq!(persistent, [("etc/hostname", false), ("etc/nginx/site", true), ("root", true)]);
    assert_eq!(recipe.suite.as_ref().map(Suite::as_str), Some("bookworm"));
    assert_eq!(recipe.slot_size, Some(4 << 30));
    assert_eq!(recipe.hostname, "nobody");
    assert_eq!(recipe.initrd, InitrdForm::Keep);
    assert_eq!(recipe.ids.groups.values().collect::<Vec<_>>(), [&50]);
    assert_eq!(recipe.ids.users.values().map(|u| (u.uid, u.gid)).collect::<Vec<_>>(), [(105, 65534)]);
    let files: Vec<_> = recipe.layers.iter().map(|l| (l.files.is_some(), l.health.is_some())).collect();
    assert_eq!(files, [(true, false), (false, false), (false, false), (false, true)]);

    assert_eq!(load(&folder, "web", "D12-1").unwrap().options(), "a=1 b");
}

#[test]
fn a_typo_names_file_line_and_key() {
    let message = refusal("role = 'web'\n\npakages = ['nginx']\n");
    assert!(
        message.starts_with("web/recipe.toml:3: pakages: unknown field `pakages`, expected"),
        "{message}"
    );
    let message = refusal("role = 'web'\n[version.'1']\npackage = ['nginx']\n");
    assert!(message.starts_with("web/recipe.toml:3: package: unknown field `package`"), "{message}");
}

#[test]
fn a_wrong_value_names_file_line_and_key() {
    assert_eq!(
        refusal("role = 'web'\npackages = [\n  'good',\n  'bad,worse',\n]\n"),
        "web/recipe.toml:2: packages: \"bad,worse\": a package is a Debian package name, with `=version` or \
         `/suite` where wanted"
    );
    assert_eq!(
        refusal("role = 'web'\nslot-size = 4\n"),
        "web/recipe.toml:2: slot-size: invalid type: integer `4`, expected a string"
    );
    let message = refusal("role = 'web'\n[ids.users]\nsshd = { uid = -1 }\n");
    assert!(message.starts_with("web/recipe.toml:3: "), "{message}");
    let message = refusal("role = 'Web'\n");
    assert!(message.starts_with("web/recipe.toml:1: role: \"Web\" is not a role"), "{message}");
    let message = refusal("role = 'web\n");
    assert!(message.starts_with("web/recipe.toml:1: role: "), "{message}");
}

#[test]
fn a_recipe_must_say_which_role_it_is_for() {
    for text in ["parent = 'base'\nsuite = 'bookworm'\n", ""] {
        assert_eq!(refusal(text), "web/recipe.toml:1: role: missing field `role`");
    }
    assert_eq!(
        refusal("role = 'web'\n[ids.users]\nsshd = { gid = 7 }\n"),
        "web/recipe.toml:3: uid: missing field `uid`"
    );
    assert_eq!(
        refusal("role = 'db'\n"),
        "web/recipe.toml: role: the recipe of db belongs in a folder of that name"
    );
}

#[test]
fn a_circle_of_parents_a_missing_parent_and_a_missing_script_are_refused() {
    let folder = recipes(&[("a", "role = 'a'\nparent = 'b'\n"), ("b", "role = 'b'\nparent = 'a'\n")]);
    assert!(matches!(load(&folder, "a", "1"), Err(RecipeError::Circle(_))));
    assert!(refusal("role = 'web'\nparent = 'base'\n").starts_with("reading base/recipe.toml"));
    let message = refusal("role = 'web'\nscripts = ['configure']\n");
    assert!(message.starts_with("web/recipe.toml: scripts: there is no file web/scripts/conf"), "{message}");
}

//! A published site and the server in front of it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use edeploy_format::digest::Digest;

use crate::tool::{edeploy_ab, repository, rolebuild, run};

/// Where the packages of a recipe of ours are kept, from one run to the next: another recipe or parent has another
/// place. Delete it to take newer packages.
///
/// # Panics
/// If there is no such recipe.
#[must_use]
pub fn kept_packages(role: &str) -> PathBuf {
    let recipe = |role: &str| {
        std::fs::read_to_string(repository().join("recipes").join(role).join("recipe.toml"))
            .expect("the recipe")
    };
    let mut text = recipe(role);
    let parent = text.lines().find_map(|line| line.strip_prefix("parent = \"")?.strip_suffix('"'));
    if let Some(parent) = parent.map(recipe) {
        text += &parent;
    }
    let folder = repository().join("target/vm-tests");
    std::fs::create_dir_all(&folder).expect("target/vm-tests");
    folder.join(format!("base-{}.tar", Digest::of(text.as_bytes()).short()))
}

/// Keys, builds and the site itself, below one folder.
pub struct Site {
    folder: PathBuf,
    recipes: PathBuf,
    server: Option<Child>,
}

impl Site {
    /// The site in `folder`, made where missing, that builds roles from `recipes`.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new(folder: &Path, recipes: &Path) -> Self {
        let site = Self { folder: folder.to_owned(), recipes: recipes.to_owned(), server: None };
        if !site.root().exists() {
            run(rolebuild(), &["init", "--repo", &site.path("repo"), "--keys", &site.path("keys")]);
        }
        site
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("UTF-8").to_owned()
    }

    /// Where a build lies.
    #[must_use]
    pub fn built(&self, role: &str, version: &str) -> PathBuf {
        self.folder.join("builds").join(format!("{role}@{version}"))
    }

    /// The folder that is published.
    #[must_use]
    pub fn published(&self) -> PathBuf {
        self.folder.join("repo")
    }

    /// The root metadata that a first install starts from.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.join("repo/metadata/root.json")
    }

    /// Installs a version on a new image of `size` bytes; the machine will take its upgrades from `port`.
    ///
    /// # Panics
    /// If that fails.
    pub fn install(
        &self,
        port: u16,
        role: &str,
        version: &str,
        image: &Path,
        size: u64,
        more: &[&str],
    ) -> String {
        let file = std::fs::File::create(image).expect("an image");
        file.set_len(size).expect("room for an image");
        let (repo, later) = (format!("http://127.0.0.1:{port}/"), format!("http://10.0.2.2:{port}/"));
        let (root, image) = (self.root(), image.to_str().expect("UTF-8"));
        let root = root.to_str().expect("UTF-8");
        let mut args = vec!["install", "--disk", image, "--role", role, "--version", version, "--root", root];
        args.extend(["--repo", &repo, "--later", &later]);
        args.extend(more);
        run(edeploy_ab(), &args)
    }

    /// Copies our recipes below `folder`, where more can come to them; where they are.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn copy_recipes(folder: &Path) -> PathBuf {
        let recipes = folder.join("recipes");
        run("cp", &["-a", "recipes", recipes.to_str().expect("UTF-8")]);
        recipes
    }

    /// The same, where `role` has a root shell on the second serial port, for a program on the host to type on.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn recipes_with_shell(folder: &Path, role: &str) -> PathBuf {
        let recipes = Self::copy_recipes(folder);
        let files = recipes.join(role).join("files/");
        run("cp", &["-a", "vm-tests/shell/.", files.to_str().expect("UTF-8")]);
        recipes
    }

    /// Makes a role of another name that is otherwise the same, in a folder of recipes.
    ///
    /// # Panics
    /// If that fails.
    pub fn rename_recipe(recipes: &Path, role: &str, name: &str) {
        let [from, to] = [role, name].map(|role| recipes.join(role));
        run("cp", &["-a", from.to_str().expect("UTF-8"), to.to_str().expect("UTF-8")]);
        let file = to.join("recipe.toml");
        let text = std::fs::read_to_string(&file).expect("the recipe");
        let [old, new] = [role, name].map(|role| format!("role = \"{role}\""));
        assert!(text.contains(&old), "{role} says its name");
        std::fs::write(&file, text.replace(&old, &new)).expect("a file of ours");
    }

    /// Builds a version of a role.
    pub fn build(&self, role: &str, version: &str) -> String {
        self.build_with(role, version, &[])
    }

    /// Builds a version of a role on the packages kept at `base`; the first build installs and keeps them.
    ///
    /// # Panics
    /// If that fails.
    pub fn build_on(&self, base: &Path, role: &str, version: &str) -> String {
        if base.exists() {
            return self.build_with(role, version, &["--from-tar", base.to_str().expect("UTF-8")]);
        }
        // Under its name only when it is whole: a run that was cut short leaves none behind.
        let new = base.with_extension("new");
        let built = self.build_with(role, version, &["--keep-base", new.to_str().expect("UTF-8")]);
        std::fs::rename(&new, base).expect("the kept packages");
        built
    }

    fn build_with(&self, role: &str, version: &str, more: &[&str]) -> String {
        let recipe = self.recipes.join(role);
        let updater = edeploy_ab();
        let [recipe, updater] = [&recipe, &updater].map(|p| p.to_str().expect("UTF-8"));
        let (builds, repo) = (self.path("builds"), self.path("repo"));
        let mut args = vec!["build", recipe, "--version", version, "--builds", &builds, "--repo", &repo];
        args.extend(["--updater", updater]);
        args.extend(more);
        run(rolebuild(), &args)
    }

    /// Publishes a version of a role, with the delta from the one before it.
    pub fn publish(&self, role: &str, version: &str) -> String {
        let metadata = repository().join("metadata");
        let (builds, repo, keys) = (self.path("builds"), self.path("repo"), self.path("keys"));
        let metadata = metadata.to_str().expect("UTF-8");
        let args = [
            "publish",
            role,
            version,
            "--deltas",
            "1",
            "--builds",
            &builds,
            "--repo",
            &repo,
            "--keys",
            &keys,
            "--metadata",
            metadata,
        ];
        run(rolebuild(), &args)
    }

    /// Lets the keys with these public halves, as PEM or in 64 hex digits, sign plans.
    ///
    /// # Panics
    /// If that fails.
    pub fn delegate_fleet(&self, publics: &[&str]) {
        let (repo, keys) = (self.path("repo"), self.path("keys"));
        let files: Vec<String> = (0..publics.len()).map(|at| self.path(&format!("fleet-{at}.pub"))).collect();
        for (file, public) in files.iter().zip(publics) {
            std::fs::write(file, public).expect("a file of ours");
        }
        let mut words = vec!["delegate-fleet", "--repo", &repo, "--keys", &keys];
        words.extend(files.iter().map(String::as_str));
        run(rolebuild(), &words);
    }

    /// Makes the installer, on the packages kept from earlier; the folder it lies in.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn installer(folder: &Path) -> PathBuf {
        let recipe = repository().join("ipxe/installer");
        let digest = Digest::of(&std::fs::read(recipe.join("recipe.toml")).expect("the recipe"));
        let base = repository().join(format!("target/vm-tests/base-{}.tar", digest.short()));
        let (new, text) =
            (base.with_extension("new"), |path: &Path| path.to_str().expect("UTF-8").to_owned());
        let there = base.exists();
        let packages = if there {
            ["--from-tar".to_owned(), text(&base)]
        } else {
            ["--keep-base".to_owned(), text(&new)]
        };
        let (repo, builds) = (text(&folder.join("repo")), text(&folder.join("installer")));
        let program = text(&crate::tool::installer_program());
        let args = [
            "installer",
            "--repo",
            &repo,
            "--builds",
            &builds,
            "--program",
            &program,
            &packages[0],
            &packages[1],
        ];
        run(rolebuild(), &args);
        if !there {
            std::fs::rename(&new, &base).expect("the kept packages");
        }
        folder.join("repo/install")
    }

    /// Serves it on a port of the loopback, until the site is dropped; the port.
    ///
    /// # Panics
    /// If the server does not start.
    pub fn serve(&mut self) -> u16 {
        // It must not outlive a test that is killed.
        let mut server = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(rolebuild())
            .args(["serve", "--repo", &self.path("repo"), "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("setpriv of util-linux");
        let lines = BufReader::new(server.stdout.take().expect("piped")).lines();
        let mut ports = lines.map_while(Result::ok).filter_map(|line| {
            let address = line.split("127.0.0.1:").nth(1)?;
            address.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        });
        let port = ports.next();
        self.server = Some(server);
        port.expect("rolebuild serve says where it listens")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

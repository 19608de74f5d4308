//! The definition of the command line, with options hidden where they have no effect. Hidden options are
//! still accepted, so that an alias with `--config` works for every command.

use clap::{Arg, Command, CommandFactory};

use super::Cli;

/// Options for the connection to a server.
const CONNECTION: [&str; 5] = ["server", "ca", "token_file", "client_certificate", "client_key"];

/// Options for the store, its settings and the log.
const STORE: [&str; 4] = ["data_dir", "config", "set", "log"];

/// Commands that connect to no server.
const WITHOUT_SERVER: [&[&str]; 9] = [
    &["completions"],
    &["man"],
    &["serve"],
    &["report"],
    &["address"],
    &["identity"],
    &["policy", "check"],
    &["store", "restore"],
    &["store", "verify"],
];

/// Commands that open no store either.
const WITHOUT_STORE: [&[&str]; 6] =
    [&["completions"], &["man"], &["report"], &["address"], &["identity"], &["policy", "check"]];

/// Returns the definition of the command line.
pub fn command() -> Command {
    let command = Cli::command();
    let hidden = |names: &[&str]| -> Vec<Arg> {
        let named = command.get_arguments().filter(|arg| names.contains(&arg.get_id().as_str()));
        named.map(|arg| arg.clone().hide(true)).collect()
    };
    let (connection, store) = (hidden(&CONNECTION), hidden(&STORE));
    let without_server = WITHOUT_SERVER.into_iter().map(|path| (path, &connection));
    let without_store = WITHOUT_STORE.into_iter().map(|path| (path, &store));
    let all = without_server.chain(without_store);
    all.fold(command.clone(), |command, (path, hidden)| hide(command, path, hidden))
}

/// Hides inherited options at `path`, by adding hidden definitions of them.
fn hide(command: Command, path: &[&'static str], hidden: &[Arg]) -> Command {
    match path.split_first() {
        None => command.args(hidden),
        // `mut_subcommand` would move it behind the others.
        Some((name, rest)) => command.mut_subcommands(|inner| {
            if inner.get_name() == *name { hide(inner, rest, hidden) } else { inner }
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that panics has failed
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds() {
        command().debug_assert();
    }

    #[test]
    fn commands_stand_in_their_order() {
        let names = |command: &Command| -> Vec<String> {
            command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect()
        };
        assert_eq!(names(&command()), names(&Cli::command()));
    }

    fn help_of(path: &[&str]) -> String {
        let arguments = [&["lazaretto"], path, &["--help"]].concat();
        command().try_get_matches_from(arguments).unwrap_err().to_string()
    }

    #[test]
    fn help_shows_no_option_that_does_nothing() {
        let check = |path: &[&str], [server, store]: [bool; 2]| {
            let help = help_of(path);
            for (option, shown) in [
                ("--server", server),
                ("--token-file", server),
                ("Connection:", server),
                ("--data-dir", store),
                ("--set", store),
            ] {
                assert_eq!(help.contains(option), shown, "{path:?} {option}\n{help}");
            }
        };
        check(&["screen"], [true, true]);
        check(&["lists", "ls"], [true, true]);
        check(&["store", "backup"], [true, true]);
        check(&["serve"], [false, true]);
        check(&["store", "restore"], [false, true]);
        for path in WITHOUT_STORE {
            check(path, [false, false]);
        }
    }

    #[test]
    fn a_hidden_option_is_taken_wherever_it_stands() {
        let check = |arguments: &[&str]| {
            let matches = command().try_get_matches_from(arguments).unwrap();
            let set: Vec<_> = matches.get_many::<String>("set").unwrap().collect();
            assert_eq!(set, ["cache_mib=8"], "{arguments:?}");
        };
        check(&["lazaretto", "--set", "cache_mib=8", "policy", "check", "x"]);
        check(&["lazaretto", "policy", "check", "--set", "cache_mib=8", "x"]);
        check(&["lazaretto", "address", "--set", "cache_mib=8", "x"]);
    }
}

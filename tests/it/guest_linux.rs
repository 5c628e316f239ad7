//! Commands for Linux guests, performed here: bash, coreutils and openssl are the same as there.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use patchgate::guest::apt::Apt;
use patchgate::guest::command::GuestCommand;
use patchgate::guest::debian::DEBIAN;
use patchgate::guest::family::Updates;
use patchgate::guest::http::Request;
use patchgate::guest::linux::boot;
use patchgate::guest::linux::{http, script, sql};
use patchgate::input::hex;
use patchgate::input::url::Url;
use patchgate::model::scenario::expect::TextExpectation;
use patchgate::model::scenario::{Action, Engine, Http, Results, Run, Script, Sql};
use patchgate::secret::Mask;
use patchgate::step::evaluate::evaluate;
use patchgate::step::raw::Raw;
use sha2::{Digest, Sha256};

const LIMIT: Duration = Duration::from_secs(20);

fn perform(command: &GuestCommand, path: &str) -> Output {
    let (program, arguments) = command.argv.split_first().expect("a program");
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let input = command.stdin.clone().unwrap_or_default();
    let mut stdin = child.stdin.take().expect("its input");
    let writer = std::thread::spawn(move || {
        // A command that has no use for its input has closed it, perhaps.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("its input is written");
    output
}

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn an_inhibitor_does_not_stop_the_reboot() {
    // systemctl(1): `-i` is short for `--check-inhibitors=no`, and known to the oldest systemd that we meet.
    assert!(boot::reboot().argv.iter().any(|argument| argument == "-i"));
}

#[test]
fn a_file_arrives_in_pieces_is_run_and_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("0123456789abcdef/smoke.sh");
    let path = path.to_str().expect("UTF-8");
    let mut content = b"printf '%s|%s|%s' \"$1\" \"$invoice\" \"$0\"; exit 3\n".to_vec();
    content.resize(700_000, b'#');
    let digest = hex(&Sha256::digest(&content));
    let pieces = script::put(path, &content);
    assert_eq!(pieces.len(), 3);
    for piece in &pieces {
        assert!(perform(piece, PATH).status.success());
    }
    assert!(script::is_whole(
        &text(&perform(&script::check(path), PATH).stdout),
        &digest
    ));
    assert!(!script::is_whole("", &digest) && !script::is_whole("00  x", &digest));
    let asked = Script {
        file: "smoke.sh".into(),
        interpreter: vec!["sh".into()],
        args: vec!["a b; $(id)".into()],
        user: None,
        output: Results::Exit,
        results: None,
        exit: 0,
        stdout: TextExpectation::default(),
        stderr: TextExpectation::default(),
    };
    let output = perform(
        &script::run(&asked, path, &[("invoice", "$(id) `id`")], LIMIT),
        PATH,
    );
    assert_eq!(text(&output.stdout), format!("a b; $(id)|$(id) `id`|{path}"));
    assert_eq!(output.status.code(), Some(3));
    assert!(perform(&script::remove(path), PATH).status.success());
    assert!(!Path::new(path).parent().expect("its folder").exists());
}

fn plain_run(command: &str, user: Option<&str>) -> Run {
    Run {
        command: command.to_owned(),
        user: user.map(str::to_owned),
        exit: 0,
        stdout: TextExpectation::default(),
        stderr: TextExpectation::default(),
    }
}

#[test]
fn a_limit_is_never_none_at_all() {
    // timeout(1) takes 0.0 for no limit.
    for (limit, is) in [(0, "0.1"), (49, "0.1"), (260, "0.3"), (1_000, "1.0")] {
        let run = Action::Run(plain_run("true", None));
        let command = DEBIAN
            .action(&run, &[], Duration::from_millis(limit))
            .expect("a command");
        assert_eq!(command.argv[3], is, "{limit} ms");
    }
}

#[test]
fn commands_have_a_home_and_a_locale() {
    let said = "printf '%s|' \"$HOME\" \"$USER\" \"$LOGNAME\" \"$LANG\" \"$own\"";
    let perform_as = |user: Option<&str>, env: &[(&str, &str)]| {
        let run = Action::Run(plain_run(said, user));
        DEBIAN.action(&run, env, LIMIT).expect("a command")
    };
    let root = perform_as(None, &[("own", "1"), ("LANG", "de_DE.UTF-8")]);
    assert_eq!(
        text(&perform(&root, PATH).stdout),
        "/root|root|root|de_DE.UTF-8|1|"
    );
    // As another user they are that user's, whoever performs this.
    let mut other = perform_as(Some("somebody"), &[("own", "1")]);
    let at = other
        .argv
        .iter()
        .position(|word| word == "/sbin/runuser")
        .expect("runuser");
    assert_eq!(other.argv[at..at + 4], ["/sbin/runuser", "-u", "somebody", "--"]);
    other.argv.drain(at..at + 4);
    let whoami = |field: &str| {
        let line = format!("getent passwd \"$(id -u)\" | cut -d: -f{field}");
        let output = Command::new("sh").args(["-c", &line]).output().expect("it runs");
        text(&output.stdout).trim().to_owned()
    };
    let (home, user) = (whoami("6"), whoami("1"));
    assert_eq!(
        text(&perform(&other, PATH).stdout),
        format!("{home}|{user}|{user}|C.UTF-8|1|")
    );
}

#[test]
fn results_are_read_once_and_their_absence_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("r.xml");
    let command = script::results(path.to_str().expect("UTF-8"), LIMIT);
    assert_eq!(perform(&command, PATH).status.code(), Some(2));
    std::fs::write(&path, "<testsuite/>").expect("written");
    let files = script::parse_results(&perform(&command, PATH).stdout).expect("a file");
    assert_eq!((files.len(), &files[0].bytes[..]), (1, &b"<testsuite/>"[..]));
    assert!(!path.exists());
}

#[test]
fn results_of_a_pattern_are_all_read_and_cleared() {
    let folder = tempfile::tempdir().expect("a folder");
    // Nothing in a path is run or split, and only its wildcards mean something.
    let inner = folder.path().join("a b $(touch x); 'é");
    std::fs::create_dir(&inner).expect("a folder");
    let pattern = inner.join("TEST-*.xml");
    let pattern = pattern.to_str().expect("UTF-8");
    let command = script::results(pattern, LIMIT);
    assert_eq!(perform(&command, PATH).status.code(), Some(2));
    let write = |name: &str, text: &str| std::fs::write(inner.join(name), text).expect("written");
    write("TEST-1.xml", "");
    write("TEST-2.xml", "file 9 x\nno");
    write("other.xml", "stays");
    let printed = perform(&command, PATH).stdout;
    let files = script::parse_results(&printed).expect("files");
    let bytes: Vec<&[u8]> = files.iter().map(|file| file.bytes.as_slice()).collect();
    assert_eq!(bytes, [&b""[..], b"file 9 x\nno"]);
    assert!(files.iter().all(|file| file.is_whole));
    assert_eq!(
        perform(&command, PATH).status.code(),
        Some(2),
        "they are read once"
    );
    write("TEST-3.xml", "old");
    assert!(perform(&script::clear(pattern), PATH).status.success());
    assert_eq!(perform(&command, PATH).status.code(), Some(2));
    assert!(inner.join("other.xml").exists());
    // One with a bracket in its name is that file.
    let odd = inner.join("r[1].xml");
    std::fs::write(&odd, "one").expect("written");
    let command = script::results(odd.to_str().expect("UTF-8"), LIMIT);
    assert_eq!(
        script::parse_results(&perform(&command, PATH).stdout).expect("it")[0].bytes,
        b"one"
    );
    // What was cut is told.
    for end in 1..printed.len() {
        let files = script::parse_results(&printed[..end]).expect("what there is of it");
        // The last line's end is all that nothing tells.
        let is_told = files.iter().any(|file| !file.is_whole) || files.len() == 1;
        assert!(is_told || end == printed.len() - 1, "{end}");
    }
    assert!(script::parse_results(b"garbage\n").is_err());
    assert!(script::parse_results(b"").is_err());
}

#[test]
fn a_query_reaches_its_client_unharmed() {
    let folder = tempfile::tempdir().expect("a folder");
    // Some machines have one of the clients: a guest without them has what the command needs beside, and no more.
    let bare = tempfile::tempdir().expect("a folder");
    for tool in ["cat", "head"] {
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(tool), bare.path().join(tool)).expect("a link");
    }
    let client = "#!/bin/sh\necho \"$0 $*\" | sed 's/.*client/client/'\necho \"password $PGPASSWORD$MYSQL_PWD$SQLCMDPASSWORD\"\ncat\n";
    let query = "select 'it''s \"$HOME\" `id` \\';";
    for (engine, name, says) in [
        (Engine::Postgresql, "psql", "--host=database --port=5433"),
        (
            Engine::Mysql,
            "mysql",
            "--batch --skip-column-names --database=shop --host=database --port=5433 --user=clerk",
        ),
        (Engine::Sqlserver, "sqlcmd", "-S database,5433 -d shop -U clerk"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, client).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("permitted");
        let asked = Sql {
            engine,
            database: "shop".into(),
            query: query.into(),
            host: Some("database".into()),
            port: Some(5433),
            user: Some("clerk".into()),
            password: Some("hunter2".into()),
            rows: TextExpectation::default(),
        };
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let output = perform(&sql::query(&asked, LIMIT), &path);
        let said = text(&output.stdout);
        assert!(
            said.contains(query) && said.contains("password hunter2"),
            "{said}"
        );
        assert!(
            said.lines().next().is_some_and(|line| line.contains(says)),
            "{said}"
        );
        assert!(output.status.success());
        let absent = perform(&sql::query(&asked, LIMIT), bare.path().to_str().expect("UTF-8"));
        assert_eq!(absent.status.code(), Some(127), "{}", text(&absent.stderr));
    }
}

/// An https server that is ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn certificate(folder: &Path, name: &str) {
    let file = |kind: &str| folder.join(format!("{name}.{kind}"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=app", "-addext", "subjectAltName=DNS:localhost"])
        .arg("-keyout")
        .arg(file("key"))
        .arg("-out")
        .arg(file("pem"))
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", text(&made.stderr));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a server of the system is waited for")]
fn https_is_spoken_with_those_alone_whose_certificate_is_right() {
    let folder = tempfile::tempdir().expect("a folder");
    certificate(folder.path(), "right");
    certificate(folder.path(), "other");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("its address").port();
    drop(free);
    let server = Command::new("openssl")
        .args([
            "s_server",
            "-www",
            "-quiet",
            "-accept",
            &format!("127.0.0.1:{port}"),
        ])
        .arg("-cert")
        .arg(folder.path().join("right.pem"))
        .arg("-key")
        .arg(folder.path().join("right.key"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    let _server = Server(server);
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < LIMIT, "the server does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    for (host, authority, says) in [
        ("localhost", "right.pem", None),
        ("localhost", "other.pem", Some("not accepted: ")),
        (
            "127.0.0.1",
            "right.pem",
            Some("not accepted: IP address mismatch"),
        ),
        ("localhost", "none.pem", Some("authority cannot be read")),
    ] {
        let url = Url::parse(&format!("https://{host}:{port}/")).expect("a URL");
        let ca = folder.path().join(authority);
        let request = Request {
            method: "GET",
            url: &url,
            headers: Vec::new(),
            body: None,
            ca: ca.to_str(),
        };
        let output = perform(&http::request(&request, LIMIT), PATH);
        let raw = Raw {
            exit: output.status.code(),
            stdout: output.stdout,
            stderr: output.stderr,
            ..Raw::default()
        };
        let step = Action::Http(Http {
            url: url.to_string(),
            text: TextExpectation {
                contains: says.is_none().then(|| "s_server".to_owned()),
                ..TextExpectation::default()
            },
            ..Http::default()
        });
        let failures = evaluate(&DEBIAN, &step, &raw, &Mask::default())
            .failures
            .join("; ");
        match says {
            None => assert_eq!(failures, "", "{host} {authority}"),
            Some(says) => assert!(failures.contains(says), "{host} {authority}: {failures}"),
        }
    }
}

#[test]
fn a_program_that_is_replaced_while_it_runs_asks_for_a_reboot() {
    let folder = tempfile::tempdir().expect("folder");
    let program = folder.path().join("replaced");
    std::fs::copy("/bin/sleep", &program).expect("a copy");
    // Its file's name is only gone from the disk once it runs: spawn may return before the new program is mapped.
    let mut sleeper = Command::new(&program).arg("60").spawn().expect("it starts");
    let maps = format!("/proc/{}/maps", sleeper.id());
    let is_mapped = || std::fs::read_to_string(&maps).is_ok_and(|maps| maps.contains("/replaced"));
    while !is_mapped() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::remove_file(&program).expect("replaced");
    let output = perform(&Apt.reboot_hints(), "/usr/bin:/bin");
    sleeper.kill().expect("it ends");
    sleeper.wait().expect("it ended");
    let hints = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0));
    let line = format!("stale x {}", program.display());
    assert!(hints.lines().any(|other| other == line), "{hints}");
    assert!(
        hints.starts_with("running ") || hints.starts_with("flag "),
        "{hints}"
    );
    assert_eq!(hints.lines().next_back(), Some("end"));
}

#[test]
fn what_a_program_writes_itself_while_it_runs_asks_for_no_reboot() {
    // A DHCP client writes its own pid file after it has begun, and has its name in its command line.
    let own = tempfile::Builder::new().tempfile_in("/tmp").expect("a file");
    let mut program = Command::new("tail")
        .arg("-f")
        .arg(own.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    // Beginnings are known to the second.
    std::thread::sleep(Duration::from_secs(3));
    std::fs::write(own.path(), "4711\n").expect("written");
    let output = perform(&Apt.reboot_hints(), "/usr/bin:/bin");
    program.kill().expect("it ends");
    program.wait().expect("it ended");
    let hints = text(&output.stdout);
    let name = own.path().display().to_string();
    assert!(!hints.contains(&name), "{hints}");
    assert_eq!(hints.lines().next_back(), Some("end"));
}

/// The first look only reads, so that it can be taken here.
#[test]
fn a_first_look_is_taken_and_read_whole() {
    let command = DEBIAN.system.look();
    let output = perform(
        &command,
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    let facts = DEBIAN.system.parse_look(&said).expect("an answer");
    for section in [
        "release",
        "kernel",
        "managers",
        "disk",
        "locale",
        "configured",
        "drivers",
        "by_place",
    ] {
        assert_eq!(facts.unread.get(section), None, "{said}");
    }
    assert!(
        !facts.release.id.is_empty() && !facts.disks.is_empty(),
        "{facts:?}"
    );
    assert!(facts.managers.contains(&"apt-get".to_owned()), "{facts:?}");
}

//! The agent's exchanges with a scripted channel, on a paused clock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;

type Case<'a> = (
    &'a str,
    Vec<Result<&'static str, ChannelError>>,
    &'a dyn Fn(&AgentError) -> bool,
);
type Script = VecDeque<Result<String, ChannelError>>;

/// Gives the answers of a script in order, the last one for ever, and keeps the requests.
#[derive(Clone)]
struct Scripted {
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

#[async_trait]
impl Channel for Scripted {
    async fn ask(&self, request: String, timeout: Duration) -> Result<String, ChannelError> {
        self.asked
            .lock()
            .expect("a lock")
            .push(serde_json::from_str(&request).expect("a request in JSON"));
        let answer = {
            let mut script = self.script.lock().expect("a lock");
            if script.len() > 1 {
                script.pop_front()
            } else {
                script.front().cloned()
            }
        };
        let answer = answer.expect("a script");
        if matches!(answer, Err(ChannelError::NoReply(_))) {
            sleep(timeout).await;
        }
        answer
    }
}

fn scripted(
    script: impl IntoIterator<Item = Result<&'static str, ChannelError>>,
) -> (Agent<Scripted>, Scripted) {
    let channel = Scripted {
        script: Arc::new(Mutex::new(
            script.into_iter().map(|answer| answer.map(Into::into)).collect(),
        )),
        asked: Arc::default(),
    };
    (Agent::new(channel.clone()), channel)
}

fn not_sent() -> Result<&'static str, ChannelError> {
    Err(ChannelError::NotSent("QEMU guest agent is not connected".into()))
}

fn no_reply() -> Result<&'static str, ChannelError> {
    Err(ChannelError::NoReply("no answer".into()))
}

fn refused() -> Result<&'static str, ChannelError> {
    Err(ChannelError::Refused("PID 7 does not exist".into()))
}

const STARTED: Result<&str, ChannelError> = Ok(r#"{"return":{"pid":7}}"#);
const RUNNING: Result<&str, ChannelError> = Ok(r#"{"return":{"exited":false}}"#);
const DONE: Result<&str, ChannelError> =
    Ok(r#"{"return":{"exited":true,"exitcode":3,"out-data":"aGkK","err-data":"bm8K"}}"#);

fn command() -> GuestCommand {
    GuestCommand {
        what: "read the boot id".into(),
        argv: vec!["cat".into(), "/proc/x".into()],
        env: Vec::new(),
        stdin: None,
        timeout: Duration::from_secs(60),
        limit: 256 * 1024,
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_is_started_once_and_watched_to_its_end() {
    let (agent, channel) = scripted([STARTED, RUNNING, RUNNING, DONE]);
    let mut command = command();
    command.env = vec![("LC_ALL".into(), "C".into())];
    command.stdin = Some(b"x".to_vec());
    let output = agent.exec(&command).await.expect("an end");
    assert_eq!(
        output,
        ExecOutput {
            exit: Some(3),
            stdout: b"hi\n".to_vec(),
            stderr: b"no\n".to_vec(),
            truncated: false
        }
    );
    let asked = channel.asked.lock().expect("a lock");
    let start = json!({"execute": "guest-exec", "arguments": {
        "path": "cat", "arg": ["/proc/x"], "capture-output": true, "input-data": "eA==",
        "env": ["LC_ALL=C", format!("PATH={PATH}")],
    }});
    let look = json!({"execute": "guest-exec-status", "arguments": {"pid": 7}});
    assert_eq!(*asked, [start, look.clone(), look.clone(), look]);
}

#[tokio::test(start_paused = true)]
async fn short_silence_is_borne() {
    let (agent, channel) = scripted([
        not_sent(),
        not_sent(),
        STARTED,
        RUNNING,
        no_reply(),
        RUNNING,
        not_sent(),
        DONE,
    ]);
    assert_eq!(agent.exec(&command()).await.expect("an end").exit, Some(3));
    let asked = channel.asked.lock().expect("a lock");
    let starts = asked
        .iter()
        .filter(|request| request["execute"] == "guest-exec")
        .count();
    assert_eq!(starts, 3, "what was not sent is sent again");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_may_have_happened_is_never_repeated() {
    let (agent, channel) = scripted([no_reply(), STARTED]);
    assert!(matches!(agent.exec(&command()).await, Err(AgentError::Silent(_))));
    assert_eq!(channel.asked.lock().expect("a lock").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_way_to_fail_has_its_error() {
    let silent = |error: &AgentError| matches!(error, AgentError::Silent(_));
    let garbled = |error: &AgentError| matches!(error, AgentError::Garbled(_));
    let is_refused = |error: &AgentError| matches!(error, AgentError::Refused(_));
    let timeout = |error: &AgentError| *error == AgentError::Timeout(Duration::from_secs(60));
    let cases: Vec<Case<'_>> = vec![
        ("never connected", vec![not_sent()], &silent),
        ("lost while it ran", vec![STARTED, RUNNING, not_sent()], &silent),
        (
            "stalled while it ran",
            vec![STARTED, RUNNING, no_reply()],
            &silent,
        ),
        (
            "restarted while it ran",
            vec![STARTED, RUNNING, refused()],
            &silent,
        ),
        ("never ends", vec![STARTED, RUNNING], &timeout),
        ("no such program", vec![refused()], &is_refused),
        (
            "an error answer",
            vec![Ok(r#"{"error":{"class":"GenericError","desc":"no"}}"#)],
            &is_refused,
        ),
        ("no JSON", vec![Ok("\u{1b}[31mhello")], &garbled),
        ("empty", vec![Ok("")], &garbled),
        (
            "answer to another command",
            vec![Ok(r#"{"return":{}}"#)],
            &garbled,
        ),
        ("out of order", vec![STARTED, STARTED], &garbled),
        (
            "both",
            vec![Ok(r#"{"return":{"pid":7},"error":{"desc":"no"}}"#)],
            &garbled,
        ),
        (
            "no base64",
            vec![STARTED, Ok(r#"{"return":{"exited":true,"out-data":"%%"}}"#)],
            &garbled,
        ),
    ];
    for (what, script, is) in cases {
        let (agent, _) = scripted(script);
        let error = agent.exec(&command()).await.expect_err(what);
        assert!(is(&error), "{what}: {error:?}");
        assert!(error.to_string().len() < 500, "{what}: {error}");
        assert!(!error.to_string().contains('\x1b'), "{what}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_without_a_program_is_refused_unsent() {
    let (agent, channel) = scripted([STARTED]);
    let empty = GuestCommand {
        argv: Vec::new(),
        ..command()
    };
    assert!(matches!(agent.exec(&empty).await, Err(AgentError::Refused(_))));
    assert!(channel.asked.lock().expect("a lock").is_empty());
}

#[test]
fn an_answer_beyond_any_bound_is_not_parsed() {
    let huge = format!(r#"{{"return":{{}},"x":"{}"}}"#, "a".repeat(5 * 1024 * 1024));
    let error = protocol::answer::<qga::guest_ping>(&huge).expect_err("too long");
    assert!(
        matches!(&error, AgentError::Garbled(text) if text.len() < 100),
        "{error}"
    );
}

#[test]
fn output_is_cut_and_says_so_and_a_signal_has_no_exit_code() {
    let status = |value: Value| serde_json::from_value::<qga::GuestExecStatus>(value).expect("a status");
    let long = status(json!({"exited": true, "exitcode": 0, "out-data": "YWJjZGVm", "err-data": "YQ=="}));
    let cut = protocol::output(long, 4);
    assert_eq!(
        (cut.stdout.as_slice(), cut.stderr.as_slice(), cut.truncated),
        (&b"abcd"[..], &b"a"[..], true)
    );
    let killed = status(json!({"exited": true, "signal": 9, "exitcode": 0, "out-truncated": true}));
    let killed = protocol::output(killed, 4);
    assert_eq!((killed.exit, killed.truncated), (None, true));
    let windows = protocol::output(status(json!({"exited": true, "exitcode": 0xC000_0135_u32})), 4);
    assert_eq!(windows.exit, Some(-1_073_741_515));
}

#[tokio::test(start_paused = true)]
async fn a_ping_asks_once() {
    let (agent, channel) = scripted([Ok(r#"{"return":{}}"#), not_sent()]);
    assert_eq!(agent.ping(Duration::from_secs(1)).await, Ok(()));
    assert!(matches!(
        agent.ping(Duration::from_secs(1)).await,
        Err(AgentError::Silent(_))
    ));
    assert_eq!(channel.asked.lock().expect("a lock").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_may_not_run_commands_says_so_in_its_own_words() {
    let blocked = "internal error: unable to execute QEMU agent command 'guest-exec': ";
    for (words, forbids) in [
        ("The command guest-exec has been disabled for this instance", true),
        (
            "Command guest-exec has been disabled: the command is not allowed",
            true,
        ),
        ("The command guest-exec has not been found", true),
        (
            "Command guest-exec has been disabled: the agent is in frozen state",
            false,
        ),
        (
            "Failed to execute child process \u{201c}/x\u{201d} (No such file or directory)",
            false,
        ),
    ] {
        let words = format!("{blocked}{words}");
        let script = [Err(ChannelError::Refused(words.clone()))];
        let (agent, _) = scripted(script);
        let expected = if forbids {
            AgentError::Forbidden(words)
        } else {
            AgentError::Refused(words)
        };
        assert_eq!(agent.exec(&command()).await, Err(expected));
    }
    // The one may be allowed and the other not.
    let status =
        ChannelError::Refused("The command guest-exec-status has been disabled for this instance".into());
    let (agent, _) = scripted([STARTED, Err(status)]);
    assert!(matches!(
        agent.exec(&command()).await,
        Err(AgentError::Forbidden(_))
    ));
}

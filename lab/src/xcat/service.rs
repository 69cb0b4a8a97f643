//! The init script of xcatd: `start` that hangs, `stop` that never fails, `status` that knows nothing of the database.

use super::{Backend, Daemon, Reply};

pub(super) fn control(action: &str, backend: &mut dyn Backend) -> Reply {
    let running = backend.daemon() != Daemon::Stopped;
    match action {
        // Says so also of a wedged daemon, exits 0 and heals nothing.
        "start" if running => Reply::ok("xcatd already running  (warning).\n"),
        "start" => start(backend, String::new()),
        "stop" if running => {
            backend.stop_daemon();
            Reply::ok("Stopping xcatd \n")
        }
        "stop" => Reply::ok("xcatd not running, not stopping  (warning).\n"),
        "restart" => {
            let said = if running { "Stopping xcatd \n" } else { "xcatd not running, not stopping  (warning).\n" };
            backend.stop_daemon();
            start(backend, said.to_owned())
        }
        "status" if running => Reply::ok("xcatd service is running\n"),
        "status" => Reply::failed(3, "xcatd service is not running\n", ""),
        _ => Reply::failed(1, "Usage: xcatd {start|stop|restart|status}\n", ""),
    }
}

/// Without its database it retries for ever; nothing more is printed and no command of the daemon's is answered.
fn start(backend: &mut dyn Backend, mut said: String) -> Reply {
    said.push_str("Starting xcatd ");
    if backend.start_daemon().is_err() {
        return Reply::hang(said);
    }
    said.push('\n');
    Reply::ok(said)
}

//! Every limit of the edge that no option of mosquitto sets, with its reason.

use std::time::Duration;

/// Bytes of one read from a socket; one such buffer per thread.
pub const READ_BYTES: usize = 256 * 1024;

/// I/O threads that read and write for the broker's own, at most, by the option `threads`.
pub const IO_THREADS_MAX: usize = 64;

/// And where the option says nothing. More read and write than one thread can decide about.
pub const IO_THREADS_DEFAULT_MAX: usize = 8;

/// Bytes that an I/O thread reads before it hands them over.
pub const BATCH_BYTES: usize = 128 * 1024;

/// Batches of one I/O thread that wait for the broker's: then it fills one more, and then reads no further until there is
/// room. So a connection that may not be heard has said `BATCH_BYTES` three times at most beyond what was handled.
pub const BATCHES_WAITING_MAX: usize = 2;

/// The largest packet of a client that is not let in yet: a CONNECT with every field at its longest has
/// five strings of 65,535 bytes and properties.
pub const STRANGER_PACKET_BYTES_MAX: u32 = 512 * 1024;

/// Connections that are not let in yet, at most; past this the one that has been there longest is closed. One costs
/// about a kilobyte, with a TLS handshake under way up to 60. Logging in is limited to 20 s besides (the core's
/// `LOGIN_TIME_MAX`).
pub const STRANGERS_MAX: usize = 10_000;

/// Bytes of packets that are not whole, of all connections that are not let in yet together. A CONNECT arrives in one
/// piece, or nearly: nobody who means it keeps much here.
pub const STRANGERS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Reads from the socket of one TLS connection (some kilobytes each) that bring no plaintext, before others get their
/// turn.
pub const TLS_READS_MAX: usize = 64;

/// Payload of one WebSocket frame that we send: a Pong or a Close waits for its end at most.
pub const WEBSOCKET_FRAME_BYTES_MAX: usize = 64 * 1024;

/// How long the other side of a WebSocket may take to say Close after we have said it [RFC 6455 §7.1.1]: a round trip, with time to
/// spare for one packet that is lost twice.
pub const WEBSOCKET_CLOSE_TIME_MAX: Duration = Duration::from_secs(2);

/// Connections whose Close is waited for, in the loop or in each I/O thread; past this the oldest is closed. They are as many as
/// broken off at once when a listener with a thousand pages is closed.
pub const WEBSOCKETS_CLOSING_MAX: usize = 1024;

/// What such a connection may still send before its Close: what was under way, a window of TCP. It is thrown away.
pub const WEBSOCKET_CLOSE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of replies (PINGRESP, PUBACK and their like) that may wait for one client. The core's own bound
/// (`BACKLOG_BYTES_MAX`) holds for messages, which it can drop or queue; a reply must be sent, so past this the client
/// is not read from until it reads, and in the end its keep-alive runs out. What one turn reads of it may
/// call forth some more.
pub const REPLY_BYTES_MAX: usize = 256 * 1024;

/// How long the loop may nap to let events gather, at most: nobody's message waits longer for it.
pub const GATHER_TIME_MAX: Duration = Duration::from_millis(1);

/// How long it naps unless told otherwise. Longer naps gain little: what is left then is what each read costs.
pub const GATHER_TIME: Duration = Duration::from_micros(200);

/// Packets that must come in during a nap, or none is taken: below that a message costs more waiting than waking.
pub const GATHER_PACKETS_MIN: u32 = 8;

/// Work for one connection before others get their turn, in the core's steps (`Broker::work`), which take about a tenth
/// of a microsecond each. What it has said besides waits, and more is not read from it: its socket pushes back. Bytes
/// would be the wrong measure: one read of tiny messages to a thousand subscribers is a hundred million deliveries.
pub const TURN_STEPS_MAX: u64 = 16_384;

/// Steps by which that grows with each client that it says something to. Each of them costs a write at the end of the
/// turn, as much as some sixteen deliveries: to fewer than that in one write, a wide fan-out would be writes
/// for the most part.
pub const TURN_STEPS_PER_WRITE: u64 = 16;

/// TLS handshakes that get on in one turn of the loop; the others wait in the order in which they came. One step of a
/// handshake takes 0.3 to 1 ms of the loop's thread, three orders of magnitude more than a message: a thousand
/// gateways that come back at once must not keep those waiting who are there. After a reload as many certificates are verified
/// again in one turn.
pub const HANDSHAKES_PER_TURN_MAX: usize = 16;

/// How long a client's socket may take nothing at all of what waits for it; then the connection is closed. Keep-alive
/// does not see to this: a client whose reading part hangs may go on saying PINGREQ, and one with keep-alive 0 may say
/// nothing for ever, while a megabyte and a full queue are held for it. It is generous, for nobody who means to
/// read takes so long for one byte, and a connection that is closed costs its client no more than to come back.
pub const STALLED_TIME_MAX: Duration = Duration::from_secs(600);

/// How often it is looked who has fallen behind, while somebody has.
pub const LAG_LOOK: Duration = Duration::from_secs(15);

/// Connections to all `http_api` listeners together; past this the oldest is closed. Each has one question.
pub const HTTP_CONNECTIONS_MAX: usize = 64;

/// From the first byte of a question to `http_api` to the last of its answer: then it is closed.
pub const HTTP_TIME_MAX: Duration = Duration::from_secs(30);

/// How long the figures of `/api/v1/systree` are given again before the broker's loop is asked for new ones, which takes it a
/// look at every connection.
pub const HTTP_FIGURES_FRESH: Duration = Duration::from_secs(1);

/// Connections taken from one listener before others get their turn.
pub const ACCEPTS_PER_TURN_MAX: usize = 256;

/// How long a connection that is over may take to accept the last bytes for it.
pub const LINGER_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a listener rests after the system had no room for another connection.
pub const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Logins that may wait for their password to be verified. An argon2id verification takes tens of
/// milliseconds of a worker: past this, clients are told to come back.
pub const LOGINS_WAITING_MAX: usize = 8192;

/// Logins of one network (an IPv4 address, a /64 of IPv6) that may wait. Networks are served in turns, so one that
/// tries passwords keeps only itself waiting; half of all places is room for a whole site behind one address.
pub const LOGINS_WAITING_PER_NETWORK_MAX: usize = LOGINS_WAITING_MAX / 2;

/// Bytes of the CONNECT packets of all logins that wait: their wills, names and passwords are kept until the verdict,
/// about twice.
pub const LOGINS_WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes of the CONNECT packets of all connections that are in the middle of enhanced authentication: their wills and
/// names are kept until it is over, about twice. One network (see above) has half at most.
pub const EXCHANGES_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Logins that were verified and are remembered (about 100 bytes each).
pub const LOGINS_REMEMBERED_MAX: usize = 10_000;

/// How long a verified login is remembered.
pub const LOGIN_REMEMBERED: Duration = Duration::from_secs(600);

/// Addresses whose complaints in the log are held back, at most (about 100 bytes each).
pub const KNOCKS_REMEMBERED_MAX: usize = 10_000;

/// A complaint about one address comes once in this time.
pub const KNOCK_QUIET: Duration = Duration::from_secs(60);

/// Output buffers kept for the next connection that has something to say, and the largest that is kept.
pub const SPARE_BUFFERS_MAX: usize = 1024;
/// See [`SPARE_BUFFERS_MAX`].
pub const SPARE_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Memory of what waits to be written to the store. Past this, clients are not read from until the disk has caught up; what
/// one of them said in its turn may go past it.
pub const UNKEPT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How long a disk that is so far behind may take for one commit: then what would have to be kept is refused, and clients
/// are read from again, for their keep-alives run on.
pub const STORE_STALL_MAX: Duration = Duration::from_secs(2);

/// Lines of the log that wait to be published at `$SYS/broker/log/…`: past it those that come are not. A line is told for
/// what a client does, so a turn of the loop has some hundred at most.
pub const LOG_LINES_WAITING_MAX: usize = 1_000;

/// Refusals of the rules that were told lately, of all clients and topics: past it those that come are not told. Each is two
/// numbers, and at most three more for its client.
pub const REFUSALS_REMEMBERED_MAX: usize = 10_000;

/// And of one client: its others are not told, so that there is room for those of the others. It shows by then what the client
/// may not, and a page of the log is as much as anybody reads.
pub const REFUSALS_PER_CLIENT_MAX: usize = 100;

/// How long the log holds its tongue about a client that is refused the same topic again.
pub const REFUSAL_QUIET: Duration = Duration::from_secs(60);

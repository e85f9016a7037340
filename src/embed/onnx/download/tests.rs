//! Downloads of small archives from a server of the test.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

use super::*;
use crate::durable::tests::Folder;
use crate::embed::onnx::folder::{FILES, HOME};
use crate::error::Error;
use crate::random::Random;
use crate::transport::Sink;

/// The bytes of the model in these archives: more than those between two reports of the progress.
const SIZE: u64 = 3 << 20;

/// A server, with the number of its connections.
struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Starts a server. `answer` gets the number of the connection, counted from 0, after its request was read.
    fn start(answer: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/onnx.tar.gz", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let (answer, counter) = (Arc::new(answer), connections.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, answer) = (stream.unwrap(), answer.clone());
                let number = counter.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
                    answer(number, &mut stream);
                });
            }
        });
        Server { url, connections }
    }

    /// Starts a server that always sends these bytes and closes the connection.
    fn sending(bytes: Vec<u8>) -> Server {
        Server::start(move |_, stream| drop(stream.write_all(&bytes)))
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn ok(body: &[u8]) -> Vec<u8> {
    answer("200 OK", body)
}

/// Returns the content of the model: bytes that cannot be compressed.
fn model() -> &'static [u8] {
    static MODEL: OnceLock<Vec<u8>> = OnceLock::new();
    MODEL.get_or_init(|| {
        let mut random = Random(7);
        let words = (0..SIZE / 8).flat_map(|_| random.next().to_le_bytes());
        words.collect()
    })
}

/// Returns an archive like Chroma's, with other files, which are left out.
fn good() -> &'static [u8] {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    GOOD.get_or_init(|| {
        let encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let mut archive = Builder::new(encoder);
        let mut add = |name: &str, content: &[u8]| {
            let mut header = Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive.append(&header, content).unwrap();
        };
        for name in ["README", "onnx/._config.json", "onnx/../x", "../vocab.txt"] {
            add(name, b"other");
        }
        for name in FILES.into_iter().filter(|name| *name != "model.onnx") {
            add(&format!("onnx/{name}"), b"new");
        }
        // Some programs write such paths.
        add("./onnx/model.onnx", model());
        archive.into_inner().unwrap().finish().unwrap()
    })
}

/// Returns a download of this archive from this address.
fn download<'a>(url: &str, archive: &[u8]) -> OnnxDownload<'a> {
    let mut download = Onnx::download().url(url);
    download.model_size = SIZE;
    download.sha256 = format!("{:x}", Sha256::digest(archive));
    download.retry = RetryPolicy::default().base_delay(Duration::from_millis(1));
    download
}

fn run(download: OnnxDownload<'_>, home: &Path) -> Result<PathBuf> {
    let lookup = |name: &str| (name == HOME).then(|| OsString::from(home));
    download.run_in(&Environment::of(&lookup))
}

/// The folder of the model, in this home folder.
fn folder_in(home: &Path) -> PathBuf {
    home.join(".cache/chroma/onnx_models/all-MiniLM-L6-v2/onnx")
}

/// Returns the names in the folder of the model, sorted.
fn names_in(home: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder_in(home)).into_iter().flatten();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

fn check_installed(home: &Path) {
    assert_eq!(names_in(home), FILES);
    for name in FILES {
        let content = fs::read(folder_in(home).join(name)).unwrap();
        assert!(content == model() || content == b"new", "{name}");
    }
}

#[test]
fn the_model_is_installed_once() {
    let home = Folder::new();
    let server = Server::sending(ok(good()));
    let mut seen = Vec::new();
    let installing = download(&server.url, good()).on_progress(|progress| seen.push(*progress));
    let folder = run(installing, &home.0).unwrap();
    assert_eq!(folder, folder_in(&home.0));
    check_installed(&home.0);
    let length = good().len() as u64;
    assert!(seen.iter().all(|progress| progress.total == Some(length)));
    let done: Vec<u64> = seen.iter().map(|progress| progress.done).collect();
    assert!(done.len() > 3 && done.is_sorted(), "{done:?}");
    assert_eq!((done[0], done.last()), (0, Some(&length)));
    // No request is sent, not even to a wrong address.
    let again = download("no address", good()).on_progress(|_| panic!("nothing is downloaded"));
    assert_eq!(run(again, &home.0).unwrap(), folder);
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_folder_that_is_not_whole_is_installed_again() {
    let server = Server::sending(ok(good()));
    // If none is absent, the model is too short.
    for absent in ["vocab.txt", "model.onnx", ""] {
        let home = Folder::new();
        let folder = folder_in(&home.0);
        fs::create_dir_all(&folder).unwrap();
        for name in FILES.into_iter().filter(|name| *name != absent) {
            fs::write(folder.join(name), "cut").unwrap();
        }
        fs::write(folder.join("notes"), "of the user").unwrap();
        run(download(&server.url, good()), &home.0).unwrap();
        fs::remove_file(folder.join("notes")).unwrap();
        check_installed(&home.0);
    }
}

/// The moment before the last file is moved: what is there is new.
#[test]
fn a_folder_is_whole_only_if_all_its_files_are_new() {
    for absent in FILES {
        let folder = Folder::new();
        let temporary = Temporary::create(&folder.0).unwrap();
        let others: Vec<&str> = FILES.into_iter().filter(|name| *name != absent).collect();
        for name in &others {
            fs::write(folder.0.join(name), "old").unwrap();
            fs::write(temporary.0.join(name), "new").unwrap();
        }
        temporary.install(&folder.0).unwrap_err();
        for name in others {
            assert_eq!(fs::read(folder.0.join(name)).unwrap(), b"new", "{name}");
        }
        assert_eq!(folder::missing(&folder.0), [absent]);
    }
}

/// The folder may be a link to another disk, or a disk.
#[test]
#[cfg(target_os = "linux")]
fn a_folder_on_another_disk_is_filled() {
    let disk = Folder(Path::new("/dev/shm").join(format!("chroma-{}", std::process::id())));
    if fs::create_dir(&disk.0).is_err() {
        return;
    }
    let home = Folder::new();
    let folder = folder_in(&home.0);
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&disk.0, &folder).unwrap();
    let server = Server::sending(ok(good()));
    assert_eq!(run(download(&server.url, good()), &home.0).unwrap(), folder);
    check_installed(&home.0);
    assert!(folder.is_symlink());
}

#[test]
fn a_broken_response_is_requested_again() {
    let home = Folder::new();
    let whole = ok(good());
    let server = Server::start(move |number, stream| {
        let end = whole.len() / if number < 2 { 2 } else { 1 };
        let _ = stream.write_all(&whole[..end]);
    });
    let last = std::cell::Cell::new(0);
    let installing = download(&server.url, good()).on_progress(|progress| last.set(progress.done));
    run(installing, &home.0).unwrap();
    check_installed(&home.0);
    assert_eq!((server.connections(), last.get()), (3, good().len() as u64));
}

/// Runs a download of a good archive that fails. Returns the error, after a check that no file is left.
fn failure(bytes: Vec<u8>) -> Error {
    let home = Folder::new();
    let server = Server::sending(bytes);
    let error = run(download(&server.url, good()), &home.0).unwrap_err();
    assert_eq!(names_in(&home.0), [""; 0], "{error}");
    error
}

fn contains(error: &Error, words: &str) {
    assert!(format!("{error:#}").contains(words), "{error:#}");
}

#[test]
fn secure_00_an_archive_with_another_hash_is_not_installed() {
    let mut other = good().to_vec();
    *other.last_mut().unwrap() ^= 1;
    let error = failure(ok(&other));
    assert!(matches!(error, Error::Decode { .. }), "{error}");
    let [found, expected] = [&other, good()].map(|bytes| format!("{:x}", Sha256::digest(bytes)));
    contains(&error, &format!("its SHA-256 is {found}, and that of "));
    contains(&error, &format!("archive is {expected}; "));
}

#[test]
fn a_response_that_is_not_the_archive_is_an_error() {
    let half = ok(good())[..1 << 20].to_vec();
    let moved = "302 Found\r\nlocation: http://b/c";
    let huge = b"HTTP/1.1 200 OK\r\ncontent-length: 134217729\r\n\r\n\x1f\x8b".to_vec();
    for (bytes, words) in [
        (answer("404 No", b"no"), "not found: \"no\"; check"),
        (answer("400 No", b"no"), "HTTP 400: \"no\"; check"),
        (answer(moved, b""), "redirected to http://b/c; use that"),
        (answer("503 Busy", b"busy"), "HTTP 503: \"busy\"; "),
        (answer("429 Slow Down", b"slow"), "rate limited: \"slow\""),
        (ok(b"<p>Log in"), "no proxy or login page responds instead"),
        (ok(b""), "checksum mismatch"),
        (huge, "larger than 128 MiB"),
        (half, "the connection broke"),
        (b"220 mail\r\n\r\n".to_vec(), "it is not HTTP"),
    ] {
        let error = failure(bytes);
        contains(&error, words);
        contains(&error, "download \"all-MiniLM-L6-v2\" at http://127.0.0.1:");
    }
}

#[test]
fn only_silence_ends_a_download() {
    let timeouts = Onnx::download().timeouts();
    let (request, silence) = (timeouts.request, timeouts.silence);
    assert_eq!((request, silence), (Duration::MAX, Some(SILENCE)));
    let home = Folder::new();
    let whole = ok(good());
    let server = Server::start(move |_, stream| {
        stream.write_all(&whole[..whole.len() / 2]).unwrap();
        // Ends when the client gives up.
        let _ = io::copy(stream, &mut io::sink());
    });
    let mut silent = download(&server.url, good());
    silent.silence = Duration::from_millis(300);
    silent.retry = RetryPolicy::none();
    let error = run(silent, &home.0).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }) && error.is_retryable());
    contains(&error, "no byte of the response arrived for 0.3 s");
    assert_eq!(names_in(&home.0), [""; 0]);
}

/// A full disk, or a file that cannot be written for another reason.
#[test]
fn a_file_that_cannot_be_written_ends_the_download() {
    let folder = Folder::new();
    let path = folder.0.join("file");
    fs::write(&path, "").unwrap();
    let report = &mut |_: &Progress| {};
    let mut received = Received::new(File::open(&path).unwrap(), "", report);
    assert!(received.begin(None).is_break());
    assert!(received.disk_error.take().is_some());
    assert!(received.write(b"x").is_break() && received.end().is_err());
    assert!(received.disk_error.is_some());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let server = Server::sending(ok(good()));
    let fails = |home: &Path, words: &str| {
        let error = run(download(&server.url, good()), home).unwrap_err();
        contains(&error, words);
    };
    fails(Path::new(""), "HOME is empty or not set: ");
    let home = Folder::new();
    fs::write(home.0.join(".cache"), "").unwrap();
    fails(&home.0, "cannot create the folder ");
    // Something else has the name of the lock.
    let home = Folder::new();
    let folder = folder_in(&home.0);
    fs::create_dir_all(folder.join("download.lock")).unwrap();
    fails(&home.0, "download.lock: it has other content; remove it");
    assert_eq!(server.connections(), 0);
    // Something else has the name of a file.
    fs::remove_dir(folder.join("download.lock")).unwrap();
    fs::create_dir(folder.join("vocab.txt")).unwrap();
    fails(&home.0, &format!("cannot write {}: ", folder.display()));
    let partial = || {
        let mut names = names_in(&home.0).into_iter();
        names.find(|name| name.ends_with(".partial"))
    };
    assert_eq!(partial(), None);
    // The archive disappears.
    fs::remove_dir(folder.join("vocab.txt")).unwrap();
    let removing = download(&server.url, good()).on_progress(|_| {
        if let Some(temporary) = partial() {
            fs::remove_dir_all(folder.join(temporary)).unwrap();
        }
    });
    let error = run(removing, &home.0).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
    contains(&error, "cannot write 180 MB to ");
}

#[test]
fn secure_05_an_address_with_a_password_is_refused_and_not_shown() {
    let home = Folder::new();
    for rest in ["me:s3cret@a/x", "a/x?sig=s3cret", "a/x#s3cret"] {
        let url = format!("http://{rest}");
        let download = download(&url, good());
        let shown = format!("{download:?}");
        assert!(shown.contains("a/x"), "{shown}");
        let error = run(download, &home.0).unwrap_err();
        contains(&error, "download \"all-MiniLM-L6-v2\": url is ");
        assert!(!format!("{shown} {error:#}").contains("s3cret"));
    }
}

#[test]
fn threads_download_once() {
    let home = Folder::new();
    let server = Server::sending(ok(good()));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| run(download(&server.url, good()), &home.0).unwrap());
        }
    });
    check_installed(&home.0);
    assert_eq!(server.connections(), 1);
}

/// Prints the log.
struct Printer;

impl log::Log for Printer {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        println!("@{}", record.args());
    }

    fn flush(&self) {}
}

/// The program that downloads, and prints its log and its progress.
#[test]
#[ignore = "run by the other tests"]
fn downloader() {
    let Ok(url) = env::var("DOWNLOAD_TEST_URL") else {
        return;
    };
    log::set_logger(&Printer).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let download = download(&url, good()).on_progress(|progress| println!("@{progress}"));
    let folder = download.run_in(&Environment::of_process()).unwrap();
    println!("@done {}", folder.display());
}

/// Starts [`downloader`]. Sends its lines, each with the number of the program.
fn start(number: usize, server: &Server, home: &Path, lines: &Sender<(usize, String)>) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg("embed::onnx::download::tests::downloader");
    command.args(["--exact", "--ignored", "--nocapture"]);
    command.env("DOWNLOAD_TEST_URL", &server.url);
    command.env(HOME, home).stdout(Stdio::piped());
    let mut program = command.spawn().unwrap();
    let output = BufReader::new(program.stdout.take().unwrap()).lines();
    let lines = lines.clone();
    thread::spawn(move || {
        for line in output.map_while(std::result::Result::ok) {
            if let Some((_, line)) = line.split_once('@') {
                let _ = lines.send((number, line.to_owned()));
            }
        }
    });
    program
}

/// Waits for a line that starts with these words. Returns the number of its program.
fn wait_for(words: &str, lines: &mpsc::Receiver<(usize, String)>) -> usize {
    loop {
        let (number, line) = lines.recv().expect("the programs have ended");
        if line.starts_with(words) {
            return number;
        }
    }
}

/// Starts a server that sends half of the archive, and the rest after a message.
fn holding() -> (Server, Sender<()>) {
    let (go, gone) = mpsc::channel();
    let gone = std::sync::Mutex::new(gone);
    let whole = ok(good());
    let server = Server::start(move |_, stream| {
        let (first, rest) = whole.split_at(whole.len() / 2);
        let _ = stream.write_all(first);
        let _ = gone.lock().unwrap().recv();
        let _ = stream.write_all(rest);
    });
    (server, go)
}

#[test]
fn two_processes_download_once() {
    let home = Folder::new();
    let (server, go) = holding();
    let (sender, lines) = mpsc::channel();
    let mut programs = [0, 1].map(|number| start(number, &server, &home.0, &sender));
    drop(sender);
    let waiting = wait_for("waiting for another download", &lines);
    go.send(()).unwrap();
    let done = [wait_for("done", &lines), wait_for("done", &lines)];
    assert!(done.contains(&waiting) && done[0] != done[1]);
    for program in &mut programs {
        assert!(program.wait().unwrap().success());
    }
    check_installed(&home.0);
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_killed_download_starts_over_and_leaves_nothing() {
    let home = Folder::new();
    let (server, _go) = holding();
    let (sender, lines) = mpsc::channel();
    let mut killed = start(0, &server, &home.0, &sender);
    wait_for("download: 1.", &lines);
    // Another program waits, and goes on when the first one dies.
    let other = Server::sending(ok(good()));
    let mut waiting = start(1, &other, &home.0, &sender);
    wait_for("waiting for another download", &lines);
    let left = names_in(&home.0);
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().any(|name| name == "download.lock"), "{left:?}");
    assert!(
        left.iter().any(|name| name.ends_with(".partial")),
        "{left:?}"
    );
    killed.kill().unwrap(); // SIGKILL
    killed.wait().unwrap();
    wait_for("done", &lines);
    assert!(waiting.wait().unwrap().success());
    check_installed(&home.0);
}
